package io.github.pyflinktriton.function;

import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Names of columns as Flink allows them for arguments. Each column has one of its own that does not
 * depend on the other columns: {@code $} and four hex digits stand for what Flink does not allow.
 */
final class ArgumentNames {

    /**
     * No column gets this name, because an underscore is allowed and so is never written in hex
     * digits.
     */
    static final String HIDDEN = "$005frows";

    /** A dollar only where it would be read as the start of four hex digits. */
    private static final Pattern NOT_ALLOWED =
            Pattern.compile("[^a-zA-Z_$0-9]|^[0-9]|\\$(?=[0-9a-f]{4})");

    private ArgumentNames() {}

    static String of(String column) {
        return NOT_ALLOWED.matcher(column).replaceAll(found -> hex(found.group()));
    }

    private static String hex(String characters) {
        return characters
                .chars()
                .mapToObj(unit -> String.format("\\$%04x", unit))
                .collect(Collectors.joining());
    }
}
