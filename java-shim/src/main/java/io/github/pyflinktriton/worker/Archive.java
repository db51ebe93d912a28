package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.compat.StatementConfig;

import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ConfigurationUtils;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.TableConfig;
import org.apache.flink.util.StringUtils;

import java.io.File;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** One archive of {@code python.archives}: {@code path} or {@code path#directory}. */
final class Archive implements Serializable {

    private static final long serialVersionUID = 1L;

    private static final ConfigOption<String> OPTION =
            ConfigOptions.key("python.archives").stringType().noDefaultValue();

    /**
     * The file's name in Flink's distributed cache. It is PyFlink's, so that no file is shipped
     * twice.
     */
    final String cached;

    final String file;
    final String directory;
    private final String path;

    private Archive(String entry) {
        String[] parts = entry.split("#", 2);
        path = parts[0];
        file = new File(path).getName();
        boolean named = parts.length == 2;
        directory = named ? parts[1] : file;
        cached = "python_archive_" + sha256(path + "#" + file + (named ? "#" + directory : ""));
    }

    /** Lets Flink ship the session's archives with the job that is being planned. */
    static ArrayList<Archive> ship(ReadableConfig session) {
        ArrayList<Archive> archives = new ArrayList<>();
        for (String entry : session.getOptional(OPTION).orElse("").split(",")) {
            if (!entry.isBlank()) {
                archives.add(new Archive(entry));
            }
        }
        StatementConfig.of(session)
                .ifPresent(config -> archives.forEach(archive -> archive.register(config)));
        return archives;
    }

    private void register(TableConfig session) {
        List<String> files =
                new ArrayList<>(session.getOptional(PipelineOptions.CACHED_FILES).orElse(List.of()));
        boolean known =
                files.stream()
                        .map(ConfigurationUtils::parseStringToMap)
                        .anyMatch(file -> cached.equals(file.get("name")));
        if (!known) {
            Map<String, String> entry = Map.of("name", cached, "path", path);
            files.add(ConfigurationUtils.convertValue(entry, String.class));
            session.set(PipelineOptions.CACHED_FILES, files);
        }
    }

    private static String sha256(String text) {
        try {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            return StringUtils.byteToHexString(
                    MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
