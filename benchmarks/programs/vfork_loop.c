/* vfork_loop COUNT PROGRAM WORD...: start PROGRAM so often, each in a session of its own with two pipes for
   what it prints, and wait: what the operating system takes, whoever asks it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **words) {
    for (long left = atol(words[1]); left > 0; left--) {
        int out[2], err[2];
        if (count < 3 || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) return 1;
        if (vfork() == 0) {
            setsid();
            dup2(out[1], 1);
            dup2(err[1], 2);
            execv(words[2], words + 2);
            _exit(127);
        }
        close(out[1]);
        close(err[1]);
    }
    for (;;) pause();
}
