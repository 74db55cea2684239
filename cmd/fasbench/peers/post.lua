-- Sets the request that wrk sends: post.lua [TOKEN].
wrk.method = "POST"
wrk.body = '{"name": "user1"}'
wrk.headers["Content-Type"] = "application/json"

function init(args)
  if args[1] then
    wrk.headers["Authorization"] = "Token " .. args[1]
  end
end
