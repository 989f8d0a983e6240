import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
images, labels = load_digits(return_X_y=True)
images, labels = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
train_images, train_labels, test_images, test_labels = images[:1400], labels[:1400], images[1400:], labels[1400:]

model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))
loss_function = nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)


def evaluate():
    model.eval()
    with torch.no_grad():
        outputs = model(test_images)
    model.train()
    accuracy = (outputs.argmax(1) == test_labels).float().mean().item()
    return {"test_loss": loss_function(outputs, test_labels).item(), "accuracy": accuracy}


for iteration in range(600):
    batch = torch.randint(len(train_images), (64,))
    loss = loss_function(model(train_images[batch]), train_labels[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

print(evaluate())
