/**
 * What a session names: the catalog and the module of the type {@code triton}, the models of the
 * server, the models that statements create, and the warnings about their names.
 */
package io.github.pyflinktriton.catalog;
