"""The least that classifies a picture: what a bundle's start is compared with.

minimal_start.py LIB MODEL IMAGE; prints the class's number.
"""

import sys

sys.path.insert(0, sys.argv[1])

import numpy as np
from PIL import Image

PICTURE = np.asarray(Image.open(sys.argv[3]).convert("RGB").resize((32, 32)))[None]

if sys.argv[2].endswith(".onnx"):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
    fed = {session.get_inputs()[0].name: PICTURE.astype(np.float32)}
    scores = session.run(None, fed)[0]
else:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tflite_runtime.interpreter import Interpreter

    interpreter = Interpreter(model_path=sys.argv[2], num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], PICTURE)
    interpreter.invoke()
    scores = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
print(scores.argmax(), flush=True)
