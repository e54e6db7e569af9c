/*
 * Faults at a chosen system call, for LD_PRELOAD: no privileges needed. Only files whose path
 * contains SHIM_UNDER count, each kind of call from 1.
 *
 *   FSYNC_FAIL_AT=n   the n-th fsync or fdatasync fails with EIO, the others are made
 *   WRITE_KILL_AT=n   the n-th write to a .seg or .sig file is half made, then SIGKILL
 *   FSYNC_HANG=path   an fsync does not return while the file `path` is there; its first line is
 *                     what the path of the fsynced file has to contain
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int fsyncs, writes;

static int at(const char *name) {
  const char *value = getenv(name);
  return value ? atoi(value) : 0;
}

static int path_of(int fd, char *path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  if (length < 0) return 0;
  path[length] = 0;
  const char *under = getenv("SHIM_UNDER");
  return under && strstr(path, under) != NULL;
}

static int fails(int fd) {
  char path[4096];
  int when = at("FSYNC_FAIL_AT");
  if (!when || !path_of(fd, path, sizeof path)) return 0;
  return __atomic_add_fetch(&fsyncs, 1, __ATOMIC_SEQ_CST) == when;
}

static int is_log(const char *path) {
  size_t length = strlen(path);
  if (length < 4) return 0;
  const char *end = path + length - 4;
  return strcmp(end, ".seg") == 0 || strcmp(end, ".sig") == 0;
}

static int kills(int fd) {
  char path[4096];
  int when = at("WRITE_KILL_AT");
  if (!when || !path_of(fd, path, sizeof path) || !is_log(path)) return 0;
  return __atomic_add_fetch(&writes, 1, __ATOMIC_SEQ_CST) == when;
}

/* As a device that answers nothing: the thread that asked is held. */
static void hang(int fd) {
  char path[4096], part[4096];
  const char *marker = getenv("FSYNC_HANG");
  if (!marker || !path_of(fd, path, sizeof path)) return;
  for (;;) {
    FILE *file = fopen(marker, "r");
    if (!file) return;
    char *line = fgets(part, sizeof part, file);
    fclose(file);
    if (line) part[strcspn(part, "\n")] = 0;
    if (line && !strstr(path, part)) return;
    usleep(2000);
  }
}

int fsync(int fd) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fsync");
  hang(fd);
  if (!fails(fd)) return real(fd);
  errno = EIO;
  return -1;
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
  hang(fd);
  if (!fails(fd)) return real(fd);
  errno = EIO;
  return -1;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
  static ssize_t (*real)(int, const void *, size_t, off64_t);
  if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
  if (!kills(fd)) return real(fd, data, size, offset);
  real(fd, data, size / 2, offset);
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
  return pwrite64(fd, data, size, offset);
}
