package io.github.pyflinktriton;

import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassReader;
import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassVisitor;
import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassWriter;
import org.apache.flink.shaded.asm9.org.objectweb.asm.MethodVisitor;
import org.apache.flink.shaded.asm9.org.objectweb.asm.Opcodes;

import java.io.IOException;
import java.io.InputStream;
import java.lang.invoke.MethodHandles;
import java.lang.reflect.Field;

/**
 * Keeps NULLs in the columns that pass an async function by. Flink 2.3.0 writes code that forgets
 * them: beside {@code m(x)} a NULL number becomes -1 and a NULL text ''. Its planner's generator of
 * that code is replaced, before it is loaded, by itself with one expression repaired.
 */
final class ForwardedNulls {

    private static final String PLANNER = "org.apache.flink.table.planner.";
    private static final String GENERATOR = PLANNER + "codegen.AsyncCodeGenerator";
    private static final String NEIGHBOUR = PLANNER + "codegen.CodeGenException";
    private static final String MARK = "keepsForwardedNulls";

    private ForwardedNulls() {}

    /** Repairs the planner that is calling, where it needs it; false where that is too late. */
    static boolean areKept() {
        Class<?> planner =
                StackWalker.getInstance(StackWalker.Option.RETAIN_CLASS_REFERENCE)
                        .walk(
                                frames ->
                                        frames.map(StackWalker.StackFrame::getDeclaringClass)
                                                .filter(c -> c.getName().startsWith(PLANNER))
                                                .findFirst())
                        .orElse(null);
        return planner == null || areKept(planner.getClassLoader());
    }

    private static synchronized boolean areKept(ClassLoader planner) {
        try (InputStream code =
                planner.getResourceAsStream(GENERATOR.replace('.', '/') + ".class")) {
            if (code == null) {
                return true;
            }
            Repair repair = new Repair();
            new ClassReader(code).accept(repair, 0);
            return !repair.wasNeeded() || define(repair.toByteArray(), planner);
        } catch (IOException | ReflectiveOperationException e) {
            return false;
        }
    }

    private static boolean define(byte[] repaired, ClassLoader planner)
            throws ReflectiveOperationException {
        try {
            Class<?> neighbour = Class.forName(NEIGHBOUR, true, planner);
            MethodHandles.privateLookupIn(neighbour, MethodHandles.lookup()).defineClass(repaired);
            return true;
        } catch (LinkageError e) {
            // Loaded already: by an earlier repair, or by a query with another async function.
            for (Field field :
                    Class.forName(GENERATOR, false, planner).getDeclaredFields()) {
                if (field.getName().equals(MARK)) {
                    return true;
                }
            }
            return false;
        }
    }

    /** Writes {@code addSynchronousResult(i, isNull ? null : result)} for {@code (i, result)}. */
    private static final class Repair extends ClassVisitor {

        private boolean needed;

        Repair() {
            super(Opcodes.ASM9, new ClassWriter(ClassWriter.COMPUTE_MAXS));
        }

        boolean wasNeeded() {
            return needed;
        }

        byte[] toByteArray() {
            return ((ClassWriter) cv).toByteArray();
        }

        @Override
        public MethodVisitor visitMethod(
                int access, String name, String type, String signature, String[] thrown) {
            MethodVisitor method = super.visitMethod(access, name, type, signature, thrown);
            return new MethodVisitor(Opcodes.ASM9, method) {

                private boolean inCall;

                @Override
                public void visitLdcInsn(Object constant) {
                    inCall |= constant.equals("%s.addSynchronousResult(%d, %s);\n");
                    super.visitLdcInsn(constant);
                }

                @Override
                public void visitMethodInsn(
                        int opcode, String owner, String called, String descriptor, boolean of) {
                    if (!inCall || !called.equals("resultTerm")) {
                        super.visitMethodInsn(opcode, owner, called, descriptor, of);
                        return;
                    }
                    inCall = false;
                    needed = true;
                    super.visitInsn(Opcodes.DUP);
                    super.visitMethodInsn(opcode, owner, called, descriptor, of);
                    append(").orElse(null))");
                    super.visitInsn(Opcodes.SWAP);
                    super.visitMethodInsn(opcode, owner, "nullTerm", descriptor, of);
                    append(" ? null : java.util.Optional.ofNullable(");
                    super.visitInsn(Opcodes.SWAP);
                    concat();
                    super.visitLdcInsn("(");
                    super.visitInsn(Opcodes.SWAP);
                    concat();
                }

                private void append(String text) {
                    super.visitLdcInsn(text);
                    concat();
                }

                private void concat() {
                    super.visitMethodInsn(
                            Opcodes.INVOKEVIRTUAL,
                            "java/lang/String",
                            "concat",
                            "(Ljava/lang/String;)Ljava/lang/String;",
                            false);
                }
            };
        }

        @Override
        public void visitEnd() {
            int access = Opcodes.ACC_STATIC | Opcodes.ACC_FINAL | Opcodes.ACC_SYNTHETIC;
            super.visitField(access, MARK, "Z", null, null).visitEnd();
            super.visitEnd();
        }
    }
}
