/**
 * The Python worker: the command that starts it, its process, the frames, the requests with their
 * replies, and the batches of rows that wait and are in flight.
 */
package io.github.pyflinktriton.worker;
