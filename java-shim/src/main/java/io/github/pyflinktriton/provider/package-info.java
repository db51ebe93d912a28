/**
 * The model provider {@code triton} with the functions of ML_PREDICT.
 */
package io.github.pyflinktriton.provider;
