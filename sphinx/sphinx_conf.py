#!/usr/bin/env python3
"""searchd's configuration, as alco writes it: `searchd -c /usr/local/share/alco/sphinx_conf.py` runs this file, at its start
and at each SIGHUP, and reads what it prints. sphinx.conf does the same in sh.

Python 2.7 or 3, and nothing beside its standard library. The first line may name the interpreter of a virtualenv.

From the environment of searchd:

  ALCO           the alco binary; default: the one on the PATH
  ALCO_INI       its configuration file; default: where alco looks by itself
  ALCO_URL       where searchd has a host of its own: the address of alco's pages, http://logs.example.org:8000/
  ALCO_DATA_DIR  below it lie the days; default: data_dir of the ini, else alco's own default
  ALCO_CACHE     the last good configuration is kept here, and beside it the one of the day before; default: sphinx.conf.last
                 in the data directory

Besides printing, it makes the directories that the configuration names, and removes days past their retention.

Invariants. It prints a whole configuration or nothing; with nothing it exits with a failure, and searchd goes on with what
it has. (Nothing and success would make searchd drop every index.) A day is removed only when two lists of different days
agree that it is past: a list that is too short, or that a wrong clock made, removes nothing before the next day; and what
searchd serves until it has read what is printed here stays, since the list of the day before holds it.
"""
import base64
import io
import os
import re
import shutil
import signal
import subprocess
import sys

try:
    from http.client import HTTPException
    from urllib.parse import unquote
    from urllib.request import Request, urlopen
except ImportError:  # Python 2
    from httplib import HTTPException
    from urllib2 import Request, unquote, urlopen

# searchd answers nobody new while it waits for this program
LIMIT_SECONDS = 10
INIS = ["/usr/local/etc/alco.ini", "/etc/alco.ini"]
DATA_DIR = "/var/db/alco"


class Unfit(Exception):
    """There is no configuration, or none to serve from, and why."""


def complain(text):
    sys.stderr.write("sphinx_conf.py: %s\n" % text)


def read(path):
    with io.open(path, encoding="utf-8") as file:
        return file.read()


def from_alco():
    """The local binary's answer, or the one over HTTP, in bytes."""

    def too_late(*_):
        raise Unfit("alco gave no configuration within %d s" % LIMIT_SECONDS)

    # one limit for all of it, however slowly the answer drips
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
        raise Unfit("alco gave no configuration: %s" % error)


def from_binary(alco):
    with open(os.devnull) as nothing:
        try:
            # a group of its own, so that all of it can be ended
            child = subprocess.Popen([alco, "sphinx-conf"], stdin=nothing, stdout=subprocess.PIPE, preexec_fn=os.setsid)
        except EnvironmentError as error:
            raise Unfit("cannot run %s: %s" % (alco, error))
    try:
        answer = child.communicate()[0]
    except Unfit:
        os.killpg(child.pid, signal.SIGKILL)
        raise
    if child.returncode != 0:
        raise Unfit("alco gave no configuration")
    return answer


def data_dir():
    """Without a slash at its end."""
    found = os.environ.get("ALCO_DATA_DIR")
    inis = [ini for ini in [os.environ.get("ALCO_INI")] + INIS if ini and os.access(ini, os.R_OK)]
    if not found and inis:
        section = re.search(r"^[ \t]*\[sphinx\][ \t]*$(.*?)(?=^[ \t]*\[|\Z)", read(inis[0]), re.M | re.S)
        key = section and re.search(r"^[ \t]*data_dir[ \t]*=[ \t]*(.*?)[ \t\r]*(?:[ \t];.*)?$", section.group(1), re.M)
        found = key and key.group(1)
    return re.sub("//+", "/", found or DATA_DIR).rstrip("/")


def days_of(conf, data):
    """Of the directory of each index's days, the days; raises Unfit where something is wrong with the configuration: it is not
    whole, or a path is not that of its day below the data directory."""
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
            complain("cannot make %s: %s" % (directory, error))


def make_directories(conf):
    """That searchd expects to find: of each path, of the binlog, of logs and sockets."""
    for key, path in re.findall(
        r"^[ \t]*(path|binlog_path|log|query_log|pid_file)[ \t]*=[ \t]*(/.*?)[ \t\r]*$", conf, re.M
    ):
        make_directory(path if key == "binlog_path" else os.path.dirname(path))


def newest(days):
    return max([""] + [day for some in days.values() for day in some])


def kept(path, data):
    """The days of a configuration that was kept; none where there is none."""
    try:
        return days_of(read(path), data)
    except (EnvironmentError, UnicodeDecodeError, Unfit):
        return {}


def keep(conf, days, cache, data):
    """Keeps a good configuration; the first of a day moves what was kept before it aside."""
    scratch = "%s.%d" % (cache, os.getpid())
    try:
        if os.path.exists(cache) and newest(kept(cache, data)) != newest(days):
            os.rename(cache, cache + ".before")
        make_directory(os.path.dirname(cache))
        with io.open(scratch, "w", encoding="utf-8") as file:
            file.write(conf)
        os.rename(scratch, cache)
    except EnvironmentError as error:
        # a full disk, perhaps: then what is past its retention makes room later
        complain("cannot keep a copy in %s: %s" % (cache, error))
        if os.path.exists(scratch):
            os.remove(scratch)


def remove_expired(days, cache, data):
    """Of each index, removes the days before the oldest that this list or the one of the day before serves."""
    before = kept(cache + ".before", data)
    for directory in set(days) & set(before):
        oldest = min(days[directory] | before[directory])
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
            raise Unfit("what alco gave is no configuration: %s" % why)
        # made first: the copy may lie in one of them
        make_directories(conf)
        keep(conf, days, cache, data)
        remove_expired(days, cache, data)
        return conf
    except (Unfit, UnicodeDecodeError) as fault:
        try:
            conf = read(cache)
            days_of(conf, data)
        except EnvironmentError:
            raise Unfit("%s; and there is no good one in %s" % (fault, cache))
        except (Unfit, UnicodeDecodeError) as wrong:
            raise Unfit("%s; and the copy in %s is none either: %s" % (fault, cache, wrong))
        complain("%s; this is the last good one, %s" % (fault, cache))
        make_directories(conf)
        return conf


def main():
    # searchd and cron start with a short one
    os.environ["PATH"] = os.pathsep.join(filter(None, [os.environ.get("PATH"), "/usr/local/bin:/usr/bin:/bin"]))
    # logs are not for everybody on the machine
    os.umask(0o027)
    try:
        conf = configuration()
    except Unfit as why:
        complain(why)
        return 1
    # stdout only now, and at once
    getattr(sys.stdout, "buffer", sys.stdout).write(conf.encode("utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
