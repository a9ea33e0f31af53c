"""Certificates: distances within which no image is classified otherwise, below the estimates and the attacks.

Randomized smoothing (Cohen et al. 2019) certifies a network that votes under noise; interval bounds (Gowal et al.
2018) and Lipschitz bounds certify the network itself. Verified attacks on the very same network bound the truth from
above: a certificate above one of them is a fault of this program, and the command ends with exit code 1.
"""
