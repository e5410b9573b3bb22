/* A libcuda.so.1 that notes what it is asked. Of its two devices the second has an active context from the start.
 * What it was asked is kept as letters, which fake_calls() hands out. */
#include <string.h>

enum { SUCCESS = 0, INVALID_CONTEXT = 201, NOT_INITIALIZED = 3 };
static char calls[65536];
static unsigned long calls_n;
static int started, devices_n = 2, device_of_context[2] = {0, 1};
static void *current;

static void note(char call) {
    if (calls_n + 1 < sizeof calls) calls[calls_n++] = call;
}

const char *fake_calls(void) { return calls; }
void fake_forget(void) {
    memset(calls, 0, sizeof calls);
    calls_n = 0;
}
/* The program makes device 0 current, by a context that is the device's own one or another. */
void fake_make_current(int own) { current = own ? (void *)&device_of_context[0] : (void *)&calls; }

int cuInit(unsigned flags) {
    started = !flags;
    return SUCCESS;
}
int cuDeviceGetCount(int *count) {
    *count = devices_n;
    return started ? SUCCESS : NOT_INITIALIZED;
}
int cuDeviceGet(int *device, int index) {
    *device = index;
    return SUCCESS;
}
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    *flags = 0;
    *active = device == 1 || current == (void *)&device_of_context[0];
    return SUCCESS;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
    note('R');
    *context = &device_of_context[device];
    return SUCCESS;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
    note(device == 0 || device == 1 ? 'r' : '?');
    return SUCCESS;
}
int cuCtxGetCurrent(void **context) {
    *context = current;
    return started ? SUCCESS : NOT_INITIALIZED;
}
static void *below;
int cuCtxPushCurrent_v2(void *context) {
    note('P');
    below = current;
    current = context;
    return SUCCESS;
}
int cuCtxPopCurrent_v2(void **context) {
    note('p');
    *context = current;
    current = below;
    return SUCCESS;
}
/* 'S' and the number of the device whose context is current, or 'o' for another context. */
int cuCtxSynchronize(void) {
    note('S');
    note(current == (void *)&device_of_context[0] ? '0' : current == (void *)&device_of_context[1] ? '1' : 'o');
    return current ? SUCCESS : INVALID_CONTEXT;
}
