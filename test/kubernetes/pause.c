// The first process of a sandbox, and of a node of the test cluster: it waits, reaps orphaned
// processes, and ends on a signal.
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int signal_number) {
    (void)signal_number;
    _exit(0);
}

static void reap(int signal_number) {
    (void)signal_number;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
}

int main(void) {
    struct sigaction leaving = {.sa_handler = leave};
    struct sigaction reaping = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
    if (sigaction(SIGINT, &leaving, NULL) != 0 || sigaction(SIGTERM, &leaving, NULL) != 0 ||
        sigaction(SIGCHLD, &reaping, NULL) != 0) {
        return EXIT_FAILURE;
    }
    reap(0);  // Children that ended before the handler was installed.
    while (1) {
        pause();
    }
}
