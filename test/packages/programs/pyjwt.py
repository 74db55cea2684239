import jwt


def main(args, context):
    key = "a secret of more than thirty-two bytes"
    token = jwt.encode({"sub": "me", "aud": "x", "exp": 4000000000}, key, algorithm="HS256", headers={"kid": "1"})
    refused = []
    for call in (lambda: jwt.decode(token, "another secret, which has as many bytes", ["HS256"], audience="x"), lambda: jwt.decode(token, key, ["HS256"]), lambda: jwt.decode(jwt.encode({"exp": 1}, key), key, ["HS256"]), lambda: jwt.decode("x.y", key, ["HS256"])):
        try:
            call()
        except jwt.InvalidTokenError as error:
            refused.append([type(error).__name__, str(error)])
    return [token, jwt.decode(token, key, ["HS256"], audience="x"), jwt.get_unverified_header(token), refused]
