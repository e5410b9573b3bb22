/* MIG instances for the simulated boards: a library in front of nvml_shim.c's, which answers for all the rest.
 *
 * SIMULATED_MIG lists the instances, "BOARD:UUID,…". Symbols found here hide those of the library behind. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INSTANCES_MAX = 8, PLACES_N = 7 };
enum { SUCCESS = 0, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };

static struct instance {
    unsigned board;
    char uuid[64];
} instances[INSTANCES_MAX];
static int instances_n = -1;

int nvmlDeviceGetIndex(void *board, unsigned *index);

static void load(void) {
    const char *list = getenv("SIMULATED_MIG");
    char text[512], *rest = NULL;
    if (instances_n >= 0) return;
    instances_n = 0;
    snprintf(text, sizeof text, "%s", list ? list : "");
    for (char *one = strtok_r(text, ",", &rest); one && instances_n < INSTANCES_MAX; one = strtok_r(NULL, ",", &rest))
        if (sscanf(one, "%u:%63s", &instances[instances_n].board, instances[instances_n].uuid) == 2) instances_n++;
}

int nvmlDeviceGetMaxMigDeviceCount(void *board, unsigned *count) {
    (void)board;
    *count = PLACES_N;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *board, unsigned place, void **handle) {
    unsigned index, seen = 0;
    int done = nvmlDeviceGetIndex(board, &index);
    load();
    if (done != SUCCESS) return done;
    for (int i = 0; i < instances_n; i++)
        if (instances[i].board == index && seen++ == place) {
            *handle = &instances[i];
            return SUCCESS;
        }
    return NOT_FOUND;
}

int nvmlDeviceGetUUID(void *handle, char *out, unsigned length) {
    static int (*behind)(void *, char *, unsigned);
    if ((struct instance *)handle >= instances && (struct instance *)handle < instances + INSTANCES_MAX) {
        snprintf(out, length, "%s", ((struct instance *)handle)->uuid);
        return SUCCESS;
    }
    if (!behind) *(void **)&behind = dlsym(RTLD_NEXT, "nvmlDeviceGetUUID");
    return behind(handle, out, length);
}
