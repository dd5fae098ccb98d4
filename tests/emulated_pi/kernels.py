"""Whose kernels run a TFLite model? A program for the Pi: kernels.py RELEASE MODEL; prints JSON.

What a delegate took over stays in the interpreter's list of operators, with one operator DELEGATE
more for each part that it took. So this goes from the model's outputs back to its inputs.
"""

import json
import sys
from pathlib import Path

release, model = sys.argv[1:]
sys.path.insert(0, f"{release}/lib")
from ai_edge_litert.interpreter import Interpreter  # noqa: E402 - found only now

data = Path(release, model).read_bytes()
interpreter = Interpreter(model_content=data, num_threads=1)
interpreter.allocate_tensors()
makers = {}
for operator in interpreter._get_ops_details():
    for tensor in operator["outputs"]:
        if operator["op_name"] == "DELEGATE" or tensor not in makers:
            makers[tensor] = operator
used = []
waiting = [details["index"] for details in interpreter.get_output_details()]
while waiting:
    maker = makers.pop(waiting.pop(), None)
    if maker is not None:
        used.append(maker["op_name"])
        waiting.extend(int(tensor) for tensor in maker["inputs"])
print(json.dumps(used))
