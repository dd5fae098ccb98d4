"""The images of a recipe: where they come from, how they are split, which calibrate.

``load_dataset`` is the entry point. Every stage may import this package; it imports no
TensorFlow, and scikit-learn, pooch and Pillow only when a data set needs them.
"""

from edgecnn.data.again import FolderAgain, folder_of
from edgecnn.data.calibration import CalibrationSet, choose_calibration, overlap, read_calibration
from edgecnn.data.class_folders import class_names_of, has_files, images_below
from edgecnn.data.load import JudgedImages, load_dataset, load_judged_images
from edgecnn.data.split import digest_per_image
from edgecnn.data.survey import Survey, few_images, survey_folder, uneven_classes
from edgecnn.data.types import Dataset, Images, in_class_order

__all__ = [
    "CalibrationSet",
    "Dataset",
    "FolderAgain",
    "Images",
    "JudgedImages",
    "Survey",
    "choose_calibration",
    "class_names_of",
    "digest_per_image",
    "few_images",
    "folder_of",
    "has_files",
    "images_below",
    "in_class_order",
    "load_dataset",
    "load_judged_images",
    "overlap",
    "read_calibration",
    "survey_folder",
    "uneven_classes",
]
