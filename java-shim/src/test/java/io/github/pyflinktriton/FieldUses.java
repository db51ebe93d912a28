package io.github.pyflinktriton;

import org.apache.flink.shaded.asm9.org.objectweb.asm.ClassReader;
import org.apache.flink.shaded.asm9.org.objectweb.asm.Type;
import org.apache.flink.shaded.asm9.org.objectweb.asm.tree.AbstractInsnNode;
import org.apache.flink.shaded.asm9.org.objectweb.asm.tree.ClassNode;
import org.apache.flink.shaded.asm9.org.objectweb.asm.tree.InvokeDynamicInsnNode;
import org.apache.flink.shaded.asm9.org.objectweb.asm.tree.LdcInsnNode;
import org.apache.flink.shaded.asm9.org.objectweb.asm.tree.MethodInsnNode;
import org.apache.flink.shaded.asm9.org.objectweb.asm.tree.MethodNode;
import org.apache.flink.shaded.asm9.org.objectweb.asm.tree.VarInsnNode;
import org.apache.flink.shaded.asm9.org.objectweb.asm.tree.analysis.Analyzer;
import org.apache.flink.shaded.asm9.org.objectweb.asm.tree.analysis.AnalyzerException;
import org.apache.flink.shaded.asm9.org.objectweb.asm.tree.analysis.Frame;
import org.apache.flink.shaded.asm9.org.objectweb.asm.tree.analysis.SourceInterpreter;
import org.apache.flink.shaded.asm9.org.objectweb.asm.tree.analysis.SourceValue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The names of JSON's fields that compiled classes read and write. */
final class FieldUses {

    private static final String JSON = "com/fasterxml/jackson/databind/";
    private static final Set<String> READERS = Set.of("path", "get", "has", "hasNonNull");
    private static final Set<String> WRITERS =
            Set.of("put", "set", "putObject", "putArray", "putNull");
    private static final Pattern WRITTEN_TEXT = Pattern.compile("\"([a-z_]+)\":");

    final Set<String> read = new TreeSet<>();
    final Set<String> written = new TreeSet<>();

    /** Methods whose names of fields are neither constants nor arguments of theirs. */
    final Set<String> unknown = new TreeSet<>();

    private final List<ClassNode> classes = new ArrayList<>();

    /** Methods that take a field's name and pass it on: which argument, and what they do with it. */
    private final Map<String, Use> passing = new HashMap<>();

    FieldUses(Path directory) throws IOException, AnalyzerException {
        List<Path> files;
        try (Stream<Path> all = Files.walk(directory)) {
            files =
                    all.filter(file -> file.toString().endsWith(".class"))
                            .collect(Collectors.toList());
        }
        for (Path file : files) {
            ClassNode node = new ClassNode();
            new ClassReader(Files.readAllBytes(file)).accept(node, ClassReader.SKIP_DEBUG);
            classes.add(node);
        }
        int known = -1;
        while (known < passing.size()) {
            known = passing.size();
            for (ClassNode each : classes) {
                for (MethodNode method : each.methods) {
                    scan(each, method);
                }
            }
        }
    }

    private void scan(ClassNode owner, MethodNode method) throws AnalyzerException {
        Frame<SourceValue>[] frames =
                new Analyzer<>(new SourceInterpreter()).analyze(owner.name, method);
        for (int i = 0; i < frames.length; i++) {
            AbstractInsnNode instruction = method.instructions.get(i);
            if (instruction instanceof InvokeDynamicInsnNode) {
                scanText((InvokeDynamicInsnNode) instruction);
            } else if (instruction instanceof MethodInsnNode && frames[i] != null) {
                scanCall(owner, method, (MethodInsnNode) instruction, frames[i]);
            }
        }
    }

    /** JSON that is put together as a text. */
    private void scanText(InvokeDynamicInsnNode concatenation) {
        for (Object argument : concatenation.bsmArgs) {
            if (argument instanceof String) {
                Matcher fields = WRITTEN_TEXT.matcher((String) argument);
                while (fields.find()) {
                    written.add(fields.group(1));
                }
            }
        }
    }

    private void scanCall(
            ClassNode owner, MethodNode method, MethodInsnNode call, Frame<SourceValue> frame) {
        Use use = use(call);
        if (use == null) {
            return;
        }
        int arguments = Type.getArgumentTypes(call.desc).length;
        SourceValue name = frame.getStack(frame.getStackSize() - arguments + use.argument);
        for (AbstractInsnNode source : name.insns) {
            if (source instanceof LdcInsnNode) {
                (use.writes ? written : read).add((String) ((LdcInsnNode) source).cst);
            } else if (source instanceof VarInsnNode && argument(method, source) >= 0) {
                Use passed = new Use(argument(method, source), use.writes);
                passing.put(owner.name + "." + method.name + method.desc, passed);
            } else {
                unknown.add(method.name);
            }
        }
    }

    private Use use(MethodInsnNode call) {
        boolean isNamed = call.desc.startsWith("(Ljava/lang/String;");
        if (call.owner.startsWith(JSON) && isNamed && READERS.contains(call.name)) {
            return new Use(0, false);
        }
        if (call.owner.startsWith(JSON) && isNamed && WRITERS.contains(call.name)) {
            return new Use(0, true);
        }
        return passing.get(call.owner + "." + call.name + call.desc);
    }

    /** Which of its own arguments a method loads; -1 where it is none. */
    private static int argument(MethodNode method, AbstractInsnNode load) {
        int local = (method.access & 8) == 0 ? 1 : 0;
        Type[] types = Type.getArgumentTypes(method.desc);
        for (int i = 0; i < types.length; local += types[i++].getSize()) {
            if (local == ((VarInsnNode) load).var) {
                return i;
            }
        }
        return -1;
    }

    private static final class Use {
        final int argument;
        final boolean writes;

        Use(int argument, boolean writes) {
            this.argument = argument;
            this.writes = writes;
        }
    }
}
