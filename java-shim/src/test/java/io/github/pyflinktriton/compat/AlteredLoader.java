package io.github.pyflinktriton.compat;

import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassReader;
import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassVisitor;
import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassWriter;
import org.apache.flink.shaded.asm9.org.objectweb.asm.FieldVisitor;
import org.apache.flink.shaded.asm9.org.objectweb.asm.MethodVisitor;
import org.apache.flink.shaded.asm9.org.objectweb.asm.Opcodes;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Flink's planner as another version could be: some classes have other code, or are not there. */
final class AlteredLoader extends ClassLoader {

    private final Map<String, byte[]> classes = new HashMap<>();

    AlteredLoader() {
        this(PlannerLoader.ofSessions());
    }

    AlteredLoader(ClassLoader original) {
        super(original);
    }

    /** Gives a class other code; {@code null} takes it away. */
    AlteredLoader with(String name, UnaryOperator<byte[]> change) {
        classes.put(name, change.apply(original(name)));
        return this;
    }

    /** Each text in the code that is equal to the first becomes the second. */
    static UnaryOperator<byte[]> withText(String from, String to) {
        return code -> rewritten(code, from, to);
    }

    /** Each field and method of that name gets another one, in its declaration and in its uses. */
    static UnaryOperator<byte[]> withName(String from, String to) {
        return code -> {
            ClassWriter writer = new ClassWriter(0);
            new ClassReader(code).accept(new Renamer(writer, from, to), 0);
            return writer.toByteArray();
        };
    }

    private static byte[] rewritten(byte[] code, String from, String to) {
        ClassWriter writer = new ClassWriter(0);
        new ClassReader(code)
                .accept(
                        new ClassVisitor(Opcodes.ASM9, writer) {
                            @Override
                            public MethodVisitor visitMethod(
                                    int access,
                                    String name,
                                    String type,
                                    String signature,
                                    String[] thrown) {
                                return new MethodVisitor(
                                        Opcodes.ASM9,
                                        super.visitMethod(access, name, type, signature, thrown)) {
                                    @Override
                                    public void visitLdcInsn(Object constant) {
                                        super.visitLdcInsn(constant.equals(from) ? to : constant);
                                    }
                                };
                            }
                        },
                        0);
        return writer.toByteArray();
    }

    private byte[] original(String name) {
        try (InputStream code = getParent().getResourceAsStream(file(name))) {
            return code.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String file(String name) {
        return name.replace('.', '/') + ".class";
    }

    @Override
    public InputStream getResourceAsStream(String file) {
        String name = file.replace('/', '.').replaceFirst("\\.class$", "");
        if (!classes.containsKey(name)) {
            return super.getResourceAsStream(file);
        }
        byte[] code = classes.get(name);
        return code == null ? null : new ByteArrayInputStream(code);
    }

    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
        if (!classes.containsKey(name)) {
            return super.loadClass(name, resolve);
        }
        synchronized (getClassLoadingLock(name)) {
            Class<?> loaded = findLoadedClass(name);
            byte[] code = classes.get(name);
            if (loaded == null && code == null) {
                throw new ClassNotFoundException(name);
            }
            return loaded == null ? defineClass(name, code, 0, code.length) : loaded;
        }
    }

    boolean hasLoaded(String name) {
        return findLoadedClass(name) != null;
    }

    private static final class Renamer extends ClassVisitor {

        private final String from;
        private final String to;

        Renamer(ClassVisitor next, String from, String to) {
            super(Opcodes.ASM9, next);
            this.from = from;
            this.to = to;
        }

        private String renamed(String name) {
            return name.equals(from) ? to : name;
        }

        @Override
        public FieldVisitor visitField(
                int access, String name, String type, String signature, Object value) {
            return super.visitField(access, renamed(name), type, signature, value);
        }

        @Override
        public MethodVisitor visitMethod(
                int access, String name, String type, String signature, String[] thrown) {
            return new MethodVisitor(
                    Opcodes.ASM9,
                    super.visitMethod(access, renamed(name), type, signature, thrown)) {
                @Override
                public void visitFieldInsn(int opcode, String owner, String field, String type) {
                    super.visitFieldInsn(opcode, owner, renamed(field), type);
                }

                @Override
                public void visitMethodInsn(
                        int opcode, String owner, String called, String type, boolean of) {
                    super.visitMethodInsn(opcode, owner, renamed(called), type, of);
                }
            };
        }
    }
}
