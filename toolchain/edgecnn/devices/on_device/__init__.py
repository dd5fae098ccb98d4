"""The programs that run on a device: sent there as text for each call, and gone with the call.

These files import the standard library, and what is sent with them: ``edgecnn_runner`` and
``edgecnn_installer``. ``bootstrap``, ``libraries`` and ``look`` work in Python 3.7, too, which can
then be told that it is too old.
"""
