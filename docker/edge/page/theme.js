// Sets the chosen theme before the first paint; without one, the system's theme is used. Loaded before everything else.
const chosenTheme = localStorage.getItem("theme");
if (chosenTheme) document.documentElement.dataset.theme = chosenTheme;
