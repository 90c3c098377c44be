"""Lets the hosts of swarm-lab follow the instances of moto: started, stopped, ended, with their addresses.

What is known stands in $SWARM_LAB/map, for bin/ssh: "public private host instance" in a line for each that runs. Besides it
answers for two things around AWS: port 80 says the caller's own address, port 5001 that all credentials have expired.
"""

import http.server
import os
import subprocess
import threading
import time

import boto3

LAB = os.environ["SWARM_LAB"]
PROGRAM = os.environ["SWARM_LAB_PROGRAM"]
LAPTOP = "10.77.0.100"

EXPIRED = b"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error>
<RequestId>1</RequestId></ErrorResponse>"""


def serve(port, status, kind, body):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def run(*words):
    subprocess.run(words, check=True)


class Host:
    """A host of the lab, which plays one instance."""

    def __init__(self, number):
        self.number = number
        self.public = None
        self.private = None

    def in_network(self, *words):
        run("ip", "-n", f"chl-{self.number}", *words)

    def start(self, public, private, others):
        if self.private is None:
            self.in_network("addr", "add", f"{private}/32", "dev", "eth0")
        self.in_network("addr", "add", f"{public}/32", "dev", "eth0")
        run("ip", "route", "replace", f"{public}/32", "dev", "lap0")
        self.public, self.private = public, private
        # Machines reach each other at their private addresses.
        for other in others:
            if other is not self and other.private:
                self.in_network("route", "replace", f"{other.private}/32", "dev", "eth0", "src", private)
                other.in_network("route", "replace", f"{private}/32", "dev", "eth0", "src", other.private)
        folder = f"{LAB}/h{self.number}"
        os.makedirs(f"{folder}/srv", exist_ok=True)
        os.makedirs(f"{folder}/home", exist_ok=True)
        run("bash", PROGRAM, "start", str(self.number))
        pid = open(f"{folder}/pid").read()
        run("nsenter", "--target", pid, "--mount", "mount", "--bind", f"{folder}/srv", "/srv")

    def stop(self):
        self.in_network("addr", "del", f"{self.public}/32", "dev", "eth0")
        run("ip", "route", "del", f"{self.public}/32")
        self.public = None
        run("bash", PROGRAM, "kill", str(self.number))


def main():
    serve(80, 200, "text/plain", LAPTOP.encode() + b"\n")
    serve(5001, 403, "text/xml", EXPIRED)
    ec2 = boto3.client(
        "ec2",
        endpoint_url="http://127.0.0.1:5000",
        region_name="us-east-1",
        aws_access_key_id="student",
        aws_secret_access_key="secret",
    )
    hosts = {}
    while True:
        answer = ec2.describe_instances(Filters=[{"Name": "tag:Project", "Values": ["chordial"]}])
        instances = [one for reservation in answer["Reservations"] for one in reservation["Instances"]]
        for one in instances:
            host = hosts.setdefault(one["InstanceId"], Host(len(hosts) + 1))
            running = one["State"]["Name"] == "running"
            public = one.get("PublicIpAddress")
            if host.public and (not running or public != host.public):
                host.stop()
                write(hosts)
            if running and not host.public:
                host.start(public, one["PrivateIpAddress"], hosts.values())
                write(hosts)
        if not os.path.exists(f"{LAB}/map"):
            write(hosts)
        time.sleep(0.3)


def write(hosts):
    with open(f"{LAB}/map.new", "w") as file:
        for instance, host in hosts.items():
            if host.public:
                print(host.public, host.private, host.number, instance, file=file)
    os.rename(f"{LAB}/map.new", f"{LAB}/map")


main()
