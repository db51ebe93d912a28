package io.github.pyflinktriton.compat;

import org.apache.flink.shaded.asm9.org.objectweb.asm.AnnotationVisitor;
import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassReader;
import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassVisitor;
import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassWriter;
import org.apache.flink.shaded.asm9.org.objectweb.asm.MethodVisitor;
import org.apache.flink.shaded.asm9.org.objectweb.asm.Opcodes;

import java.io.IOException;
import java.io.InputStream;
import java.lang.invoke.MethodHandles;
import java.util.Map;
import java.util.Optional;
import java.util.WeakHashMap;

/**
 * Keeps NULLs in the columns that pass an async function by. Flink 2.3.0 writes code that forgets
 * them: beside {@code m(x)} a NULL number becomes -1 and a NULL text ''. Its planner's generator of
 * that code is replaced by itself with one expression repaired, before it is loaded or after.
 */
public final class ForwardedNulls {

    private static final String PLANNER = "org.apache.flink.table.planner.";
    private static final String GENERATOR = PLANNER + "codegen.AsyncCodeGenerator";
    private static final String NEIGHBOUR = PLANNER + "codegen.CodeGenException";

    /** An annotation of the class that says it, because a loaded class takes no other member. */
    private static final String MARK = "forwarded NULLs are kept";

    /** Each planner that was looked at, and whether it keeps NULLs now: no agent is loaded twice. */
    private static final Map<ClassLoader, Boolean> KEPT = new WeakHashMap<>();

    private ForwardedNulls() {}

    /** Repairs the planner where it needs it; what to tell the user where that is too late. */
    public static Optional<String> objection() {
        ClassLoader planner = planner();
        return planner == null || areKept(planner)
                ? Optional.empty()
                : Optional.of(
                        "In streaming a model cannot be a function in this JVM, because Flink "
                                + "loses NULLs beside async functions, and that could not be "
                                + "repaired, as when another one was planned before. Use ML_PREDICT, or start "
                                + "the JVM anew and create the catalog (in Python: connect()) "
                                + "before another async function is planned. The order does not "
                                + "matter to a JVM that loads agents "
                                + "(-XX:+EnableDynamicAgentLoading, with the modules "
                                + "java.instrument and jdk.management).");
    }

    /** The planner that is calling, else the one that Flink's sessions have. */
    private static ClassLoader planner() {
        return StackWalker.getInstance(StackWalker.Option.RETAIN_CLASS_REFERENCE)
                .walk(
                        frames ->
                                frames.map(StackWalker.StackFrame::getDeclaringClass)
                                        .filter(c -> c.getName().startsWith(PLANNER))
                                        .findFirst())
                .map(Class::getClassLoader)
                .orElseGet(PlannerLoader::ofSessions);
    }

    private static synchronized boolean areKept(ClassLoader planner) {
        return KEPT.computeIfAbsent(planner, ForwardedNulls::keep);
    }

    private static boolean keep(ClassLoader planner) {
        try (InputStream code =
                planner.getResourceAsStream(GENERATOR.replace('.', '/') + ".class")) {
            if (code == null) {
                return true;
            }
            Repair repair = new Repair();
            new ClassReader(code).accept(repair, 0);
            return !repair.wasNeeded() || repaired(repair.toByteArray(), planner);
        } catch (IOException | ReflectiveOperationException e) {
            return false;
        }
    }

    private static boolean repaired(byte[] code, ClassLoader planner)
            throws ReflectiveOperationException {
        try {
            Class<?> neighbour = Class.forName(NEIGHBOUR, true, planner);
            MethodHandles.privateLookupIn(neighbour, MethodHandles.lookup()).defineClass(code);
            return true;
        } catch (LinkageError e) {
            // Loaded already: by an earlier repair, or by a query with another async function.
            Class<?> generator = Class.forName(GENERATOR, false, planner);
            return isMarked(generator) || Redefinition.of(generator, code);
        }
    }

    private static boolean isMarked(Class<?> generator) {
        Deprecated mark = generator.getAnnotation(Deprecated.class);
        return mark != null && mark.since().equals(MARK);
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
        public void visit(
                int version,
                int access,
                String name,
                String signature,
                String parent,
                String[] interfaces) {
            super.visit(version, access, name, signature, parent, interfaces);
            AnnotationVisitor mark = super.visitAnnotation("Ljava/lang/Deprecated;", true);
            mark.visit("since", MARK);
            mark.visitEnd();
        }
    }
}
