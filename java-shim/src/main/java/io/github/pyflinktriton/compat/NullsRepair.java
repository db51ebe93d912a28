package io.github.pyflinktriton.compat;

import org.apache.flink.shaded.asm9.org.objectweb.asm.AnnotationVisitor;
import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassReader;
import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassVisitor;
import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassWriter;
import org.apache.flink.shaded.asm9.org.objectweb.asm.MethodVisitor;
import org.apache.flink.shaded.asm9.org.objectweb.asm.Opcodes;

import java.util.Optional;

/**
 * Changes one expression of the planner's generator of code for async functions: it writes {@code
 * addSynchronousResult(i, isNull ? null : result)} in place of {@code (i, result)}.
 */
final class NullsRepair extends ClassVisitor {

    /** The repaired class has it in an annotation, because a loaded class takes no new members. */
    private static final String MARK = "forwarded NULLs are kept";

    private boolean isApplied;

    private NullsRepair() {
        super(Opcodes.ASM9, new ClassWriter(ClassWriter.COMPUTE_MAXS));
    }

    /** The repaired class; empty where the code has no expression to repair. */
    static Optional<byte[]> of(byte[] code) {
        NullsRepair repair = new NullsRepair();
        new ClassReader(code).accept(repair, 0);
        return repair.isApplied
                ? Optional.of(((ClassWriter) repair.cv).toByteArray())
                : Optional.empty();
    }

    /** Whether a class was loaded from repaired code. */
    static boolean isIn(Class<?> loaded) {
        Deprecated mark = loaded.getAnnotation(Deprecated.class);
        return mark != null && mark.since().equals(MARK);
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
                isApplied = true;
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
