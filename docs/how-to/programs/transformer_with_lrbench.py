import inspect
import string

import lrbench
import torch
from torch import nn

run = lrbench.attach(iterations=200, evaluate_every=50)
torch.manual_seed(run.seed)
text = inspect.getsource(string) + inspect.getsource(inspect)[:60_000]  # text that ships with Python
characters = sorted(set(text))
tokens = torch.tensor([characters.index(character) for character in text])
split = len(tokens) * 9 // 10
train_tokens, test_tokens = tokens[:split], tokens[split:]
LENGTH, WIDTH = 32, 48


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(len(characters), WIDTH)
        self.position = nn.Parameter(torch.zeros(LENGTH, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, nhead=4, dim_feedforward=4 * WIDTH, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, num_layers=2)
        self.head = nn.Linear(WIDTH, len(characters))

    def forward(self, inputs):
        mask = nn.Transformer.generate_square_subsequent_mask(inputs.shape[1])
        hidden = self.layers(self.token(inputs) + self.position, mask=mask, is_causal=True)
        return self.head(hidden)


def loss_of(source, starts):
    windows = torch.stack([source[start : start + LENGTH + 1] for start in starts])
    outputs = model(windows[:, :-1])
    return nn.functional.cross_entropy(outputs.flatten(0, 1), windows[:, 1:].flatten())


def evaluate():
    model.eval()
    with torch.no_grad():
        loss = loss_of(test_tokens, range(0, len(test_tokens) - LENGTH - 1, LENGTH))
    model.train()
    return {"test_loss": loss.item(), "perplexity": loss.exp().item()}


model = Transformer()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
scheduler = run.scheduler(optimizer)
for iteration in range(200):
    loss = loss_of(train_tokens, torch.randint(len(train_tokens) - LENGTH - 1, (16,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    run.step(loss, evaluate)

print(evaluate())
