#!/usr/bin/env python3
"""Prints searchd's configuration, as alco writes it. `searchd -c /usr/local/share/alco/sphinx_conf.py` runs this file when it
starts and at each SIGHUP, and reads the output. sphinx.conf does the same in sh.

The script needs Python 2.7 or 3 and its standard library only. The first line may name the interpreter of a virtualenv.

The script reads these variables from searchd's environment:

  ALCO           the alco binary; default: the one on the PATH
  ALCO_INI       alco's settings; default: where alco looks by itself
  ALCO_URL       the address of alco's pages, if searchd has a host of its own: http://logs.example.org:8000/
  ALCO_DATA_DIR  the directory of the days; default: data_dir of the ini, else alco's own default
  ALCO_CACHE     the file that keeps the last good configuration, next to the one of the day before; default: sphinx.conf.last
                 in the data directory

The script also creates the directories that the configuration names, and removes days past their retention.

Invariants. The script prints a whole configuration or nothing. With nothing it exits with a failure, and searchd keeps the
configuration that it has. (An empty output with success would make searchd drop every index.) The script removes a day only
if two lists of different days agree that the day is past retention. A list that is too short, or that a wrong clock made,
therefore removes nothing before the next day. A day that searchd serves stays, since searchd ends where it cannot write: it
serves the days of the last list until it has read this one, and then lets them go one after the other. So the script removes
nothing in the first minutes after another list.
"""
import base64
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time

try:
    from http.client import HTTPException
    from urllib.parse import unquote
    from urllib.request import Request, urlopen
except ImportError:  # Python 2
    from httplib import HTTPException
    from urllib2 import Request, unquote, urlopen

# searchd accepts no new client while it waits for this program
LIMIT_SECONDS = 10
# in this time searchd has let the days go that a list no longer holds
SETTLING_SECONDS = 300
INIS = ["/usr/local/etc/alco.ini", "/etc/alco.ini"]
DATA_DIR = "/var/db/alco"


class Unfit(Exception):
    """Why there is no configuration that searchd can use."""


def complain(text):
    sys.stderr.write("sphinx_conf.py: %s\n" % text)


def read(path):
    with io.open(path, encoding="utf-8") as file:
        return file.read()


def from_alco():
    """Returns the answer of the local binary, or of alco over HTTP, in bytes."""

    def too_late(*_):
        raise Unfit("alco returned no configuration within %d s" % LIMIT_SECONDS)

    # one limit for the whole answer, even if its bytes come one by one
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(LIMIT_SECONDS)
    try:
        url = os.environ.get("ALCO_URL")
        return over_http(url) if url else from_binary(os.environ.get("ALCO") or "alco")
    finally:
        signal.alarm(0)


def over_http(url):
    # user:password@, as curl takes it
    scheme, user, rest = re.match(r"(\w+://)?(?:([^/@]*)@)?(.*)", url).groups()
    request = Request((scheme or "http://") + rest.rstrip("/") + "/collector/sphinx.conf")
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(unquote(user).encode("utf-8")).decode("ascii"))
    try:
        return urlopen(request).read()
    except (EnvironmentError, HTTPException, ValueError) as error:
        raise Unfit("cannot get the configuration from %s: %s" % (request.get_full_url(), error))


def from_binary(alco):
    with open(os.devnull) as nothing:
        try:
            # a process group of its own, so that one signal ends all of it
            child = subprocess.Popen([alco, "sphinx-conf"], stdin=nothing, stdout=subprocess.PIPE, preexec_fn=os.setsid)
        except EnvironmentError as error:
            raise Unfit("cannot run %s: %s" % (alco, error))
    try:
        answer = child.communicate()[0]
    except Unfit:
        os.killpg(child.pid, signal.SIGKILL)
        raise
    if child.returncode != 0:
        raise Unfit("alco returned no configuration")
    return answer


def data_dir():
    """Returns the data directory, without a slash at its end."""
    found = os.environ.get("ALCO_DATA_DIR")
    inis = [ini for ini in [os.environ.get("ALCO_INI")] + INIS if ini and os.access(ini, os.R_OK)]
    if not found and inis:
        section = re.search(r"^[ \t]*\[sphinx\][ \t]*$(.*?)(?=^[ \t]*\[|\Z)", read(inis[0]), re.M | re.S)
        key = section and re.search(r"^[ \t]*data_dir[ \t]*=[ \t]*(.*?)[ \t\r]*(?:[ \t];.*)?$", section.group(1), re.M)
        found = key and key.group(1)
    return re.sub("//+", "/", found or DATA_DIR).rstrip("/")


def days_of(conf, data):
    """Returns the days of each index, by the directory that holds them. Raises Unfit if the configuration is not whole, or if a
    path is not that of its day below the data directory."""
    if not conf.strip():
        raise Unfit("it is empty")
    days, name, searchd = {}, "", False
    for line in conf.splitlines():
        header = re.match(r"[ \t]*index[ \t]+([^\s{]*)", line)
        name = header.group(1) if header else name
        searchd = searchd or re.match(r"[ \t]*searchd[ \t]*($|\{)", line) is not None
        path = re.match(r"[ \t]*path[ \t]*=[ \t]*(.*?)[ \t\r]*$", line)
        if path:
            path = re.sub("//+", "/", path.group(1))
            below = re.match(r"([a-z][a-z0-9_]*)/([0-9]{8})/[^/]*$", path[len(data) + 1:])
            if not path.startswith(data + "/") or not below or name != "_".join(below.groups()):
                raise Unfit("its path %s of index %s is not %s/<index>/<day>/<index>" % (path, name, data))
            days.setdefault(os.path.join(data, below.group(1)), set()).add(below.group(2))
    if not (days and searchd and conf.split()[-1] == "}"):
        raise Unfit("it is not whole")
    return days


def make_directory(directory):
    if not os.path.isdir(directory):
        try:
            os.makedirs(directory)
        except EnvironmentError as error:
            complain("cannot create %s: %s" % (directory, error))


def make_directories(conf):
    """Creates the directories that searchd expects: of each path, of the binlog, of logs and sockets."""
    for key, path in re.findall(
        r"^[ \t]*(path|binlog_path|log|query_log|pid_file)[ \t]*=[ \t]*(/.*?)[ \t\r]*$", conf, re.M
    ):
        make_directory(path if key == "binlog_path" else os.path.dirname(path))


def newest(days):
    return max([""] + [day for some in days.values() for day in some])


def kept(path, data):
    """Returns the days of a configuration that was kept, or no days if there is no copy."""
    try:
        return days_of(read(path), data)
    except (EnvironmentError, UnicodeDecodeError, Unfit):
        return {}


def is_settled(cache):
    """Tells whether the last list is some minutes old."""
    try:
        return time.time() - os.path.getmtime(cache) > SETTLING_SECONDS
    except EnvironmentError:
        return False


def keep(conf, days, last, cache):
    """Keeps a good configuration. The first one of a day moves the copy of the day before aside."""
    scratch = "%s.%d" % (cache, os.getpid())
    try:
        if os.path.exists(cache) and newest(last) != newest(days):
            os.rename(cache, cache + ".before")
        make_directory(os.path.dirname(cache))
        with io.open(scratch, "w", encoding="utf-8") as file:
            file.write(conf)
        os.rename(scratch, cache)
    except EnvironmentError as error:
        # the disk may be full: then remove_expired makes room
        complain("cannot keep a copy in %s: %s" % (cache, error))
        if os.path.exists(scratch):
            os.remove(scratch)


def remove_expired(days, last, cache, data):
    """Removes, for each index, the days before the oldest day that this list, the last one or the list of the day before serves.
    searchd serves the days of the last list until it has read this one. An index that the day before did not have keeps its
    days."""
    before = kept(cache + ".before", data)
    for directory in set(days) & set(before):
        oldest = min(days[directory] | last.get(directory, set()) | before[directory])
        for day in os.listdir(directory) if os.path.isdir(directory) else []:
            path = os.path.join(directory, day)
            is_date = re.match(r"[12][0-9]{3}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])$", day)
            if is_date and day < oldest and os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, onerror=lambda _, what, error: complain("cannot remove %s: %s" % (what, error[1])))


def configuration():
    data = data_dir()
    cache = os.environ.get("ALCO_CACHE") or os.path.join(data, "sphinx.conf.last")
    try:
        conf = from_alco().decode("utf-8")
        try:
            days = days_of(conf, data)
        except Unfit as why:
            raise Unfit("cannot use the configuration that alco returned: %s" % why)
        # first, since the copy may lie in one of the directories
        make_directories(conf)
        last, was_settled = kept(cache, data), is_settled(cache)
        keep(conf, days, last, cache)
        if was_settled:
            remove_expired(days, last, cache, data)
        return conf
    except (Unfit, UnicodeDecodeError) as fault:
        try:
            conf = read(cache)
            days_of(conf, data)
        except EnvironmentError:
            raise Unfit("%s; there is no good copy in %s either" % (fault, cache))
        except (Unfit, UnicodeDecodeError) as wrong:
            raise Unfit("%s; cannot use the copy in %s either: %s" % (fault, cache, wrong))
        complain("%s; searchd gets the last good copy, %s" % (fault, cache))
        make_directories(conf)
        return conf


def main():
    # searchd and cron start this script with a short PATH
    os.environ["PATH"] = os.pathsep.join(filter(None, [os.environ.get("PATH"), "/usr/local/bin:/usr/bin:/bin"]))
    # other users of the machine must not read the logs
    os.umask(0o027)
    try:
        conf = configuration()
    except Unfit as why:
        complain(why)
        return 1
    # prints only now, and all at once
    getattr(sys.stdout, "buffer", sys.stdout).write(conf.encode("utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
