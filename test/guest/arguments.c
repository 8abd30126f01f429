#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
extern char **environ;
int main(int argc, char **argv) {
  for (int i = 0; i < argc; i++) printf("arg %d %s\n", i, argv[i]);
  for (char **e = environ; *e; e++) printf("env %s\n", *e);
  printf("pagesz %lu\n", getauxval(AT_PAGESZ));
  printf("clktck %lu\n", getauxval(AT_CLKTCK));
  printf("hwcap %lx\n", getauxval(AT_HWCAP));
  printf("uid %lu %lu\n", getauxval(AT_UID), getauxval(AT_EGID));
  printf("secure %lu\n", getauxval(AT_SECURE));
  printf("phnum>0 %d\n", getauxval(AT_PHNUM) > 0 && getauxval(AT_PHDR) != 0);
  printf("execfn %s\n", (char *)getauxval(AT_EXECFN));
  const unsigned char *r = (void *)getauxval(AT_RANDOM);
  printf("random ");
  for (int i = 0; i < 16; i++) printf("%02x", r[i]);
  printf("\naligned %d\n", ((unsigned long)__builtin_frame_address(0) & 15) == 0);
  return 0;
}
