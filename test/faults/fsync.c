// Preloaded into a gateway: fsync and fdatasync do as the file named by FSYNC_ORDERS says: a number of milliseconds to wait, or -1 to fail.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long ordered(void) {
  char text[16] = {0};
  const char *name = getenv("FSYNC_ORDERS");
  int file = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  return length <= 0 ? 0 : strtol(text, NULL, 10);
}

static int obey(const char *name, int file) {
  long ms = ordered();
  if (ms < 0) {
    errno = EIO;
    return -1;
  }
  struct timespec time = {ms / 1000, (ms % 1000) * 1000000};
  if (ms > 0) nanosleep(&time, NULL);
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  return real(file);
}

int fsync(int file) { return obey("fsync", file); }
int fdatasync(int file) { return obey("fdatasync", file); }
