package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.WorkerException;

import org.apache.flink.util.CompressionUtils;

import java.io.File;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/** The archives of a job, unpacked once for all of its running tasks in this process. */
final class UnpackedArchives implements AutoCloseable {

    private static final Map<List<String>, UnpackedArchives> UNPACKED = new HashMap<>();

    private final List<String> key;
    private final Path root;
    private int users;

    private UnpackedArchives(List<String> key, Path root) {
        this.key = key;
        this.root = root;
    }

    /** Unpacks the archives, unless another task has; each caller closes what it gets. */
    static UnpackedArchives of(List<Archive> archives, Function<String, File> cachedFiles) {
        Map<Archive, File> files =
                archives.stream()
                        .collect(Collectors.toMap(a -> a, a -> cachedFiles.apply(a.cached)));
        List<String> key =
                archives.stream()
                        .map(a -> files.get(a) + "#" + a.directory)
                        .collect(Collectors.toList());
        synchronized (UNPACKED) {
            UnpackedArchives unpacked = UNPACKED.get(key);
            if (unpacked == null) {
                unpacked = new UnpackedArchives(key, directoryBeside(files.get(archives.get(0))));
                try {
                    files.forEach(unpacked::unpack);
                } catch (RuntimeException | Error e) {
                    unpacked.delete();
                    throw e;
                }
                UNPACKED.put(key, unpacked);
            }
            unpacked.users++;
            return unpacked;
        }
    }

    /** A path in the archives, as PyFlink has it for {@code python.executable}. */
    String resolve(String path) {
        return root.resolve(path).toString();
    }

    @Override
    public void close() {
        synchronized (UNPACKED) {
            users--;
            if (users == 0) {
                UNPACKED.remove(key);
                delete();
            }
        }
    }

    /**
     * Flink has the archive there, so there is space, and Flink cleans up after a killed process.
     */
    private static Path directoryBeside(File archive) {
        try {
            Path parent = archive.getAbsoluteFile().getParentFile().toPath();
            return Files.createTempDirectory(parent, "python-archives-");
        } catch (IOException e) {
            throw new WorkerException("No directory can be made for 'python.archives': " + e, e);
        }
    }

    private void unpack(Archive archive, File file) {
        Path target = root.resolve(archive.directory).normalize();
        if (!target.startsWith(root) || target.equals(root)) {
            throw new WorkerException(
                    String.format(
                            "The archive '%s#%s' of 'python.archives' would be unpacked elsewhere;"
                                    + " give it a directory of its own, as in '%s#venv'.",
                            archive.file, archive.directory, archive.file));
        }
        try {
            // The method that PyFlink uses: it keeps permissions and symbolic links.
            CompressionUtils.extractFile(file.getPath(), target.toString(), archive.file);
        } catch (IOException e) {
            throw new WorkerException(
                    String.format(
                            "The archive '%s' of 'python.archives' cannot be unpacked (%s); make it"
                                    + " with 'tar -czf' or 'zip -y'.",
                            archive.file, e.getMessage()),
                    e);
        }
    }

    private void delete() {
        try {
            Files.walkFileTree(root, new Deleter());
        } catch (IOException e) {
            Log.LOG.warn("{} could not be deleted.", root, e);
        }
    }

    private static final class Deleter extends SimpleFileVisitor<Path> {
        @Override
        public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                throws IOException {
            Files.delete(file);
            return FileVisitResult.CONTINUE;
        }

        @Override
        public FileVisitResult postVisitDirectory(Path directory, IOException failure)
                throws IOException {
            Files.delete(directory);
            return FileVisitResult.CONTINUE;
        }
    }
}
