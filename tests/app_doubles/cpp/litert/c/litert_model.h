#ifndef EDGE_MNV3_TESTS_LITERT_MODEL_H_
#define EDGE_MNV3_TESTS_LITERT_MODEL_H_

#include "litert/c/litert_common.h"

extern "C" {

LiteRtStatus LiteRtCreateModelFromFile(LiteRtEnvironment environment, const char* filename, LiteRtModel* model);
LiteRtStatus LiteRtGetModelSignature(LiteRtModel model, LiteRtParamIndex signature_index, LiteRtSignature* signature);
LiteRtStatus LiteRtGetNumSignatureOutputs(LiteRtSignature signature, LiteRtParamIndex* num_outputs);
LiteRtStatus LiteRtGetSignatureOutputName(LiteRtSignature signature, LiteRtParamIndex output_idx,
                                          const char** output_name);
void LiteRtDestroyModel(LiteRtModel model);

}  // extern "C"

#endif  // EDGE_MNV3_TESTS_LITERT_MODEL_H_
