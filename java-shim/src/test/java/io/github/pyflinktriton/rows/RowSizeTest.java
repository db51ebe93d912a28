package io.github.pyflinktriton.rows;

import static io.github.pyflinktriton.rows.WireValues.array;
import static io.github.pyflinktriton.rows.WireValues.string;
import static io.github.pyflinktriton.rows.WireValues.type;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.types.logical.RowType;
import org.junit.jupiter.api.Test;

class RowSizeTest {

    @Test
    void aRowIsEstimatedByItsValues() {
        RowType fixed = RowType.of(type(DataTypes.FLOAT()), type(DataTypes.DECIMAL(9, 2)));
        assertEquals(4 + 16 + 2, new RowSize(fixed).of(new Object[] {null, null}));

        RowType variable =
                RowType.of(
                        type(DataTypes.STRING()),
                        type(DataTypes.BYTES()),
                        type(DataTypes.ARRAY(DataTypes.DOUBLE())),
                        type(DataTypes.ARRAY(DataTypes.ARRAY(DataTypes.STRING()))));
        Object[] row = {
            string("x".repeat(1000)),
            new byte[2000],
            new GenericArrayData(new double[500]),
            array(array(string("y".repeat(6000))), null)
        };
        long bytes = new RowSize(variable).of(row);
        assertTrue(bytes >= 13_000 && bytes < 13_100, bytes + " bytes");
        assertTrue(new RowSize(variable).of(new Object[4]) < 100);
    }
}
