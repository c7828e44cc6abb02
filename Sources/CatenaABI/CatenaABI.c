#include <catena/module.h>
