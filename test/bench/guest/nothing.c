/* What starting takes. */
int main(void) { return 0; }
