"""Fails in a line of wide characters."""
def main(args, context):
    s = "漢字テスト"; print(s[1] + 5, "ok")
