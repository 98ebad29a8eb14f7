"""The app beside packages that many shops have: each folder with settings of its own. ``tox -e neighbours``.

themes · every page of our admin under the common themes      api · the REST API under others' exception handlers
"""
