# A Python of the tests' own, with packages that read what Muster writes, and with ansible. POSIX sh; sourced after setup.sh.

python_packages="junitparser tap.py PyYAML more-itertools ansible-core"
python_log=$root/.build/test-python.log

# Puts it first in PATH; makes it once, in .build. Fails when there is no Python or its packages cannot be had.
prepare_python() {
    folder=$root/.build/test-python
    make_build_folder
    # The packages stand in the stamp, so that a longer list makes it anew.
    if [ "$(cat "$folder/packages" 2>/dev/null)" != "$python_packages" ]; then
        rm -rf "$folder"
        say "making a Python with $python_packages in .build"
        # shellcheck disable=SC2086  # the names are words
        {
            python3 -m venv "$folder" && "$folder/bin/python3" -m pip install --quiet --disable-pip-version-check \
                --retries 1 --timeout 20 $python_packages
        } >"$python_log" 2>&1 </dev/null || {
            rm -rf "$folder"
            return 1
        }
        printf '%s\n' "$python_packages" >"$folder/packages"
    fi
    PATH=$folder/bin:$PATH
    export PATH
}
