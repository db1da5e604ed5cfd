/* writer FIFO LINES SIZE RATE: numbered lines of 100 bytes, in writes of SIZE bytes, RATE lines per second (0: any).

Before the first one it waits until somebody has opened FIFO for writing and closed it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void wait_for(const char *fifo) {
    char byte;
    int fd = open(fifo, O_RDONLY | O_CLOEXEC);
    if (fd < 0) _exit(1);
    while (read(fd, &byte, 1) > 0) continue;
    close(fd);
}

/* Sleep until the time of the next line; who is late catches up. */
static void keep_pace(struct timespec *next, long nanoseconds) {
    next->tv_nsec += nanoseconds;
    while (next->tv_nsec >= 1000000000) next->tv_nsec -= 1000000000, next->tv_sec++;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
}

static void write_all(const char *at, size_t size) {
    while (size) {
        ssize_t written = write(1, at, size);
        if (written < 0) _exit(1);
        at += written, size -= written;
    }
}

int main(int count, char **words) {
    long lines = atol(words[2]), size = atol(words[3]), rate = atol(words[4]), used = 0;
    char *buffer = malloc(size + 100);
    struct timespec next;
    wait_for(words[1]);
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (long number = 0; number < lines; number++) {
        char *line = buffer + used;
        long rest = number;
        memset(line, 'x', 99);
        for (int digit = 11; digit >= 0; digit--, rest /= 10) line[digit] = '0' + rest % 10;
        line[12] = ' ', line[99] = '\n';
        used += 100;
        if (used >= size) {
            write_all(buffer, size);
            memmove(buffer, buffer + size, used -= size);
        }
        if (rate) keep_pace(&next, 1000000000 / rate);
    }
    write_all(buffer, used);
    return 0;
}
