/* child FIFO: write the own pid as a line into FIFO, the first thing it does, and wait to be ended. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char **words) {
    char line[16];
    int fifo = open(words[count - 1], O_WRONLY | O_CLOEXEC);
    if (fifo < 0 || write(fifo, line, sprintf(line, "%d\n", getpid())) < 0) return 1;
    close(fifo);
    for (;;) pause();
}
