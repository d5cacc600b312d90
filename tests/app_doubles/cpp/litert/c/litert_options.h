#ifndef EDGE_MNV3_TESTS_LITERT_OPTIONS_H_
#define EDGE_MNV3_TESTS_LITERT_OPTIONS_H_

#include "litert/c/litert_common.h"

extern "C" {

LiteRtStatus LiteRtCreateOptions(LiteRtOptions* options);
LiteRtStatus LiteRtSetOptionsHardwareAccelerators(LiteRtOptions options, LiteRtHwAcceleratorSet accelerators);
void LiteRtDestroyOptions(LiteRtOptions options);

}  // extern "C"

#endif  // EDGE_MNV3_TESTS_LITERT_OPTIONS_H_
