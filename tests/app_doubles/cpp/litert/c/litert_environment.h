#ifndef EDGE_MNV3_TESTS_LITERT_ENVIRONMENT_H_
#define EDGE_MNV3_TESTS_LITERT_ENVIRONMENT_H_

#include "litert/c/litert_common.h"

extern "C" {

LiteRtStatus LiteRtCreateEnvironment(int num_options, const LiteRtEnvOption* options, LiteRtEnvironment* environment);
void LiteRtDestroyEnvironment(LiteRtEnvironment environment);

}  // extern "C"

#endif  // EDGE_MNV3_TESTS_LITERT_ENVIRONMENT_H_
