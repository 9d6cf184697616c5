/**
 * The one place where layers become a process.
 *
 * Room: main. In: edge. Out: nothing.
 */
process.stdout.write("recollect\n");
