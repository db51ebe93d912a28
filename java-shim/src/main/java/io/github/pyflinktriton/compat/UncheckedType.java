package io.github.pyflinktriton.compat;

import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeFamily;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.LogicalTypeVisitor;

import java.lang.reflect.Field;
import java.util.List;
import java.util.stream.Stream;

/**
 * The declared type of an argument that takes other types too. Where an argument may be left out,
 * Flink's planner checks the declared types before it asks for those of a call. It would refuse an
 * array in place of a value, so that it is shown the type ANY of Calcite.
 */
public final class UncheckedType extends LogicalType {

    static final String FACTORY = "relDataTypeFactory";

    private static final long serialVersionUID = 1L;

    private final LogicalType declared;

    public UncheckedType(LogicalType declared) {
        super(true, root(declared.getTypeRoot()));
        this.declared = declared;
    }

    /** Flink compares the lengths of two types of such a root, and this type has no length. */
    private static LogicalTypeRoot root(LogicalTypeRoot declared) {
        boolean hasParameters =
                Stream.of(
                                LogicalTypeFamily.CHARACTER_STRING,
                                LogicalTypeFamily.BINARY_STRING,
                                LogicalTypeFamily.COLLECTION,
                                LogicalTypeFamily.EXACT_NUMERIC)
                        .anyMatch(declared.getFamilies()::contains);
        return hasParameters && !declared.getFamilies().contains(LogicalTypeFamily.INTEGER_NUMERIC)
                ? LogicalTypeRoot.SYMBOL
                : declared;
    }

    @Override
    public <R> R accept(LogicalTypeVisitor<R> visitor) {
        try {
            return any(visitor);
        } catch (ReflectiveOperationException | RuntimeException e) {
            return declared.accept(visitor);
        }
    }

    /** By reflection, because Flink hides the classes of Calcite. */
    @SuppressWarnings({"unchecked", "rawtypes"})
    private static <R> R any(LogicalTypeVisitor<R> visitor) throws ReflectiveOperationException {
        Field field = visitor.getClass().getDeclaredField(FACTORY);
        field.setAccessible(true);
        Object factory = field.get(visitor);
        Class names =
                Class.forName(
                        "org.apache.calcite.sql.type.SqlTypeName",
                        true,
                        factory.getClass().getClassLoader());
        return (R)
                factory.getClass()
                        .getMethod("createSqlType", names)
                        .invoke(factory, Enum.valueOf(names, "ANY"));
    }

    @Override
    public LogicalType copy(boolean isNullable) {
        return this;
    }

    @Override
    public String asSerializableString() {
        return declared.asSerializableString();
    }

    @Override
    public String asSummaryString() {
        return declared.asSummaryString();
    }

    @Override
    public boolean supportsInputConversion(Class<?> type) {
        return declared.supportsInputConversion(type);
    }

    @Override
    public boolean supportsOutputConversion(Class<?> type) {
        return declared.supportsOutputConversion(type);
    }

    @Override
    public Class<?> getDefaultConversion() {
        return declared.getDefaultConversion();
    }

    @Override
    public List<LogicalType> getChildren() {
        return declared.getChildren();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof UncheckedType && declared.equals(((UncheckedType) other).declared);
    }

    @Override
    public int hashCode() {
        return declared.hashCode();
    }
}
