/* Loaded before a program's own libraries. The file MACHINE holds two int64: by how many ns its UTC clock is off, and
   whether its disk hangs: whatever is to be synced waits then. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile struct {
    int64_t step, hangs;
} *machine;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("MACHINE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *machine, PROT_READ, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED)
        abort(); /* a test that strikes nothing must not pass */
    machine = mapped;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + machine->step;
        now->tv_sec = ns / 1000000000;
        now->tv_nsec = ns % 1000000000;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec stepped;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &stepped);
    now->tv_sec = stepped.tv_sec;
    now->tv_usec = stepped.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *told) {
    struct timespec stepped;
    clock_gettime(CLOCK_REALTIME, &stepped);
    if (told)
        *told = stepped.tv_sec;
    return stepped.tv_sec;
}

static void synced(void) {
    while (machine->hangs)
        usleep(10000);
}

int fsync(int file) {
    synced();
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    synced();
    return (int)syscall(SYS_fdatasync, file);
}
