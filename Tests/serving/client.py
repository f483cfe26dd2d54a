"""hoof serve, asked by OpenAI's own client: client.py URL KEYED_URL (the second server wants the key 'secret')."""
import asyncio
import sys
import time
import urllib.request

import openai

url, keyed = sys.argv[1], sys.argv[2]
client = openai.OpenAI(base_url=url + "v1", api_key="none", max_retries=0, timeout=60)
prompt = "Once upon a time there was a little"
said = [{"role": "system", "content": "You tell stories."}, {"role": "user", "content": "Tell me of a cat."}]


def refused(kind, call, **expected):
    try:
        call()
    except kind as error:
        for name, value in expected.items():
            assert getattr(error, name) == value, (name, getattr(error, name), value)
        return error
    raise AssertionError(f"{kind.__name__} was expected")


def metric(name):
    text = urllib.request.urlopen(url + "metrics").read().decode()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name)}


# Models
models = client.models.list().data
assert [model.id for model in models] == ["base", "cut"], models
assert client.models.retrieve("cut").id == "cut"
assert models[1].hoof["layers"] < models[0].hoof["layers"] and models[0].hoof["base"] and not models[1].hoof["base"]
refused(openai.NotFoundError, lambda: client.models.retrieve("gpt-9"), code="model_not_found")

# Completions: whole and streamed are the same text, token by token.
whole = client.completions.create(model="base", prompt=prompt, max_tokens=24, temperature=0)
assert whole.choices[0].finish_reason == "length" and whole.usage.completion_tokens == 24, whole
assert whole.usage.total_tokens == whole.usage.prompt_tokens + 24
events = list(
    client.completions.create(
        model="base", prompt=prompt, max_tokens=24, temperature=0, stream=True, stream_options={"include_usage": True}))
assert "".join(event.choices[0].text for event in events if event.choices) == whole.choices[0].text
assert events[-1].choices == [] and events[-1].usage.completion_tokens == 24
assert events[-1].usage.prompt_tokens_details.cached_tokens > 0, "the second time the prompt is not read again"

# Probabilities
scored = client.completions.create(model="base", prompt=prompt, max_tokens=6, temperature=0, logprobs=3)
probabilities = scored.choices[0].logprobs
assert len(probabilities.tokens) == len(probabilities.token_logprobs) == len(probabilities.text_offset) == 6
assert all(len(top) >= 3 and max(top.values()) == own for top, own in zip(probabilities.top_logprobs, probabilities.token_logprobs))
assert all(value <= 0 for value in probabilities.token_logprobs)
assert "".join(probabilities.tokens).endswith(scored.choices[0].text.strip())

# Stop strings, several answers, seeds, other samplers
stop = whole.choices[0].text[8:12]
stopped = client.completions.create(model="base", prompt=prompt, max_tokens=24, temperature=0, stop=[stop])
assert stopped.choices[0].finish_reason == "stop", stopped
assert stopped.choices[0].text == whole.choices[0].text[: whole.choices[0].text.index(stop)], (stopped, stop)
several = client.completions.create(model="base", prompt=[prompt, "The dog"], n=2, max_tokens=8, temperature=1, seed=7)
assert [choice.index for choice in several.choices] == [0, 1, 2, 3] and several.usage.completion_tokens == 32
again = client.completions.create(model="base", prompt=prompt, max_tokens=8, temperature=1, seed=7)
assert again.choices[0].text == several.choices[0].text, "the same seed gives the same draws"
other = client.completions.create(
    model="cut", prompt=prompt, max_tokens=8, temperature=1, top_p=0.9, seed=1,
    extra_body={"top_k": 1, "min_p": 0.1, "repetition_penalty": 1.2})
assert other.model == "cut" and other.choices[0].text

# Chat: whole and streamed
answer = client.chat.completions.create(model="base", messages=said, max_completion_tokens=12, temperature=0)
assert answer.choices[0].message.role == "assistant" and answer.choices[0].finish_reason in ("length", "stop")
stream = list(client.chat.completions.create(
    model="base", messages=said, max_completion_tokens=12, temperature=0, stream=True, logprobs=True, top_logprobs=2))
assert stream[0].choices[0].delta.role == "assistant"
assert "".join(event.choices[0].delta.content or "" for event in stream) == answer.choices[0].message.content
tokens = [token for event in stream if event.choices[0].logprobs for token in event.choices[0].logprobs.content]
assert tokens and all(len(token.top_logprobs) == 2 and token.logprob == token.top_logprobs[0].logprob for token in tokens)

# Refusals
refused(openai.NotFoundError, lambda: client.completions.create(model="gpt-9", prompt="a"), code="model_not_found")
refused(openai.BadRequestError, lambda: client.completions.create(model="base", prompt="a", temperature=3), param="temperature")
refused(openai.BadRequestError, lambda: client.completions.create(model="base", prompt="a " * 5000), code="context_length_exceeded")
refused(openai.BadRequestError, lambda: client.completions.create(model="base", prompt=[1, 10**8]))
tools = [{"type": "function", "function": {"name": "f"}}]
refused(openai.BadRequestError, lambda: client.chat.completions.create(model="base", messages=said, tools=tools), param="tools")
refused(openai.AuthenticationError, lambda: openai.OpenAI(base_url=keyed + "v1", api_key="wrong", max_retries=0).models.list())
assert openai.OpenAI(base_url=keyed + "v1", api_key="secret").models.list().data

# Who leaves is not written for any longer.
leaving = client.completions.create(model="base", prompt=prompt, max_tokens=200, temperature=1, stream=True)
next(iter(leaving))
leaving.close()
for _ in range(100):
    if not any(metric("hoof_answers_active").values()):
        break
    time.sleep(0.05)
else:
    raise AssertionError("an answer is still written for nobody")


async def crowd():
    """Many at once, more than there are slots: each gets the answer that it gets alone."""
    many = openai.AsyncOpenAI(base_url=url + "v1", api_key="none", max_retries=0, timeout=120)

    async def one(number):
        parts = await many.completions.create(
            model=["base", "cut"][number % 2], prompt=f"{number} {prompt}", max_tokens=16, seed=number, stream=True)
        return "".join([event.choices[0].text async for event in parts])

    answers = await asyncio.gather(*[one(number) for number in range(24)])
    assert all(answers), answers


asyncio.run(crowd())
print(f"openai {openai.__version__}: models, completions, chat, streams, probabilities, refusals, a crowd of 24")
