"""The AWS CLI of this environment as the word `aws` of a bash script."""

import sys

# A function instead of a directory on the PATH: pip's script `aws` does not start below a path with a space in it.
AWS_CLI = {"BASH_FUNC_aws%%": '() { "$SMVIZ_PYTHON" -m awscli "$@"\n}', "SMVIZ_PYTHON": sys.executable}
