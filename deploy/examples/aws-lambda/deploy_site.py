"""The function deploy-site. It gets the facts of a release, knows by them what is deployed, and bears being called twice.

Whatever it raises fails the release with what it says. Nothing of the event is run or taken for a path: it is compared, and looked up.
"""

import json

import boto3

TABLE = boto3.resource("dynamodb").Table("deployed")


def handler(event, context):
    release, undo = event["release"], event["undo"]
    target = event["input"]["target"]
    there = TABLE.get_item(Key={"target": target}, ConsistentRead=True).get("Item", {})

    if event["action"] == "restore" and there.get("release") != undo["id"]:
        return {"existed": True}  # somebody has moved on
    if event["action"] != "restore" and there.get("release") == release["id"]:
        return {"existed": True}  # this is a repetition: event["key"] names the action of the attempt
    if release["digest"]:
        install(target, release["digest"])
    else:
        remove(target)  # there was nothing before
    TABLE.put_item(Item={"target": target, "release": release["id"], "version": release["version"], "digest": release["digest"]})
    return {"existed": False}


def install(target, digest):
    print(json.dumps({"install": digest, "on": target}))  # put your deployment here: fetch the artifact by its digest, and check it


def remove(target):
    print(json.dumps({"remove": target}))
