"""Certificates: distances within which the class of an image is proven not to change.

Randomized smoothing (Cohen et al. 2019) certifies a network that votes under noise; interval bounds (Gowal et al. 2018)
and Lipschitz bounds certify the network itself. Verified attacks on the same network are upper bounds: a certificate
above one of them is a fault of this program, and the command ends with exit code 1.
"""
