/* peak: peak FILE PROGRAM ...: runs the program, and writes its peak memory in KiB, or that of a child of its, to FILE. What getrusage(2) tells
 * of a program that a large one has started is the large one's. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **arguments) {
    if (count < 3) return 2;
    pid_t pid = fork();
    if (pid == 0) {
        execv(arguments[2], arguments + 2);
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (pid < 0 || wait4(pid, &status, 0, &usage) < 0) return 2;
    FILE *file = fopen(arguments[1], "w");
    if (!file || fprintf(file, "%ld\n", usage.ru_maxrss) < 0 || fclose(file) != 0) return 2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
