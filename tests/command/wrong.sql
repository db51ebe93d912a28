-- Each statement that is marked is wrong; those before and behind it are right.
CREATE TEMPORARY TABLE payments (id BIGINT, amount FLOAT, account BIGINT, note STRING)
  WITH ('connector' = 'datagen', 'number-of-rows' = '10');

CREATE TEMPORARY TABLE scored (id BIGINT, score FLOAT) WITH ('connector' = 'blackhole');

-- wrong: syntax
SELECT id,
       amount FRM payments WHERE;

-- wrong: unknown table
INSERT INTO scored SELECT id, CAST(1 AS FLOAT)
FROM paymants;

-- wrong: unknown column
SELECT id,
       amuont
FROM payments;

-- right
SELECT id, multi(amount, account, note).score FROM payments;

-- wrong: type
SELECT id,
       pairing(note)
FROM payments;

-- wrong: missing endpoint
CREATE MODEL default_catalog.default_database.lonely INPUT (x BIGINT) OUTPUT (y BIGINT)
WITH (
  'provider' = 'triton',
  'model-name' = 'pairing'
);

-- wrong: port
CREATE MODEL elsewhere INPUT (x BIGINT) OUTPUT (y BIGINT)
WITH (
  'provider' = 'triton',
  'endpoint' = 'http://127.0.0.1:9',
  'model-name' = 'pairing'
);

-- wrong: unknown model
CREATE MODEL nobody
WITH (
  'provider' = 'triton',
  'endpoint' = 'http://localhost:8000',
  'model-name' = 'no_such_model'
);

-- wrong: unknown option
CREATE MODEL misspelt
WITH (
  'provider' = 'triton',
  'endpoint' = 'http://localhost:8000',
  'model-name' = 'pairing',
  'tmeout' = '3s'
);

-- wrong: value of an option
CREATE MODEL slowly
WITH (
  'provider' = 'triton',
  'endpoint' = 'http://localhost:8000',
  'model-name' = 'pairing',
  'timeout' = 'soon'
);

-- wrong: name of a column
CREATE MODEL renamed
INPUT (amount FLOAT, account BIGINT, remark STRING)
OUTPUT (score FLOAT, label STRING)
WITH (
  'provider' = 'triton',
  'endpoint' = 'http://localhost:8000',
  'model-name' = 'multi'
);

-- wrong: number of arguments
INSERT INTO scored
SELECT id, multi(amount, note).score
FROM payments;

-- wrong: unknown function
SELECT paring(account) FROM payments;

-- right, and it needs a statement that is right
CREATE MODEL twice
WITH (
  'provider' = 'triton', 'endpoint' = 'http://localhost:8000', 'model-name' = 'pairing'
);
CREATE MODEL many INPUT (script STRING) OUTPUT (text STRING)
WITH (
  'provider' = 'triton', 'endpoint' = 'http://localhost:8000', 'model-name' = 'script', 'responses' = 'rows'
);
SELECT id, twice(account) FROM payments;

-- wrong: rows in a function
SELECT id,
  many(note) FROM payments;

-- wrong: a text that is not closed
SELECT id FROM payments
WHERE note = 'abc;

-- right
SELECT id FROM payments WHERE note = 'abc';

-- wrong: two in a line
SELECT id FROM payments; SELECT account FROM payments;

-- wrong: no semicolon
SELECT id FROM payments
SELECT account FROM payments;

-- right
EXECUTE STATEMENT SET BEGIN
  INSERT INTO scored SELECT id, multi(amount, account, note).score FROM payments WHERE id > 3;
  INSERT INTO scored SELECT id, amount FROM payments;
END;
