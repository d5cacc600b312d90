#ifndef EDGE_MNV3_TESTS_LITERT_MODEL_H_
#define EDGE_MNV3_TESTS_LITERT_MODEL_H_

#include "litert/c/litert_common.h"

extern "C" {

LiteRtStatus LiteRtCreateModelFromFile(LiteRtEnvironment environment, const char* filename, LiteRtModel* model);
void LiteRtDestroyModel(LiteRtModel model);

}  // extern "C"

#endif  // EDGE_MNV3_TESTS_LITERT_MODEL_H_
