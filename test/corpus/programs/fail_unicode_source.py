"""A failing line with wide characters: the code of the frame is printed as it is."""


def größe(wörterbuch):
    return wörterbuch["日本語"] + "🎉" + undefiniert


def main(args, context):
    return größe({"日本語": "☃"})
