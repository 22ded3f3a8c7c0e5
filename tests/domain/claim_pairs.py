"""Claims and the quotes that they are said to rest on: what a language model may write of a paper.

Each is judged by what its quote says, not by what the code makes of it; the last two tables are those that it misjudges.
"""

from __future__ import annotations

#: What the quote says.
TRUE = [
    ("The drug halved mortality.", "Mortality fell from 12 % to 6 % in the treated group."),
    ("Accuracy improved by 5.2 points over BERT-large.", "Our model improves accuracy over BERT-large by 5.2 points."),
    ("About 93% of users preferred it.", "Of 200 users, 186 (93%) preferred the new interface."),
    (
        "The model uses 175 billion parameters.",
        "GPT-3 is an autoregressive language model with 175 billion parameters.",
    ),
    ("The study covered 3,500 patients in Tokyo.", "A total of 3500 patients from Tokyo were enrolled in this study."),
    ("Error decreased from 0.31 to 0.12.", "The error was reduced from .31 to .12 after the second round of training."),
    (
        "Patients took 5 mg daily for 12 weeks.",
        "Patients received 5mg of the drug once a day over a period of twelve weeks.",
    ),
    (
        "The effect is small (r = −0.12).",
        "We found a small negative correlation (r = -0.12) between age and recall in adults.",
    ),
    (
        "Temperature rose by 1.5 °C.",
        "The temperature rose by 1.5 degrees Celsius over the twentieth century in the region.",
    ),
    (
        "Training took two days on 8 GPUs.",
        "We trained on eight GPUs; training took 48 hours in all for the largest of the models.",
    ),
    (
        "The vaccine was 95% effective.",
        "The vaccine had an efficacy of 95.0% against disease in participants above sixteen years.",
    ),
    (
        "Unemployment did not rise after the reform.",
        "There was no increase in unemployment following the reform of the labour market.",
    ),
    (
        "The method fails on long inputs.",
        "The method does not work on long inputs because of memory limits in the encoder.",
    ),
    (
        "One third of the samples were contaminated.",
        "33 % of the samples were contaminated with bacteria from the soil of the field.",
    ),
    (
        "A quarter of patients relapsed.",
        "25% of the patients had a relapse within the first year after treatment ended.",
    ),
    (
        "Two thirds of the participants were women.",
        "Of the 300 participants, 200 were women and the mean age was 41 years in total.",
    ),
    (
        "Fitness declined in warmer water.",
        "Higher water temperature was associated with lower fitness of the fish in the lake.",
    ),
    (
        "RAG outperforms BART by 2.6 BLEU points.",
        "Our model outperforms BART by 2.6 Bleu points and 2.6 Rouge-L points on open MS-MARCO.",
    ),
    (
        "The 1990s saw a decline in fish stocks.",
        "Fish stocks declined during the 1990s in all of the northern lakes that were studied.",
    ),
    (
        "Inequality, measured by the Gini coefficient, rose between 1980 and 2010.",
        "Between 1980 and 2010, the Gini coefficient increased from 0.31 to 0.38 in the country.",
    ),
    (
        "The U.S. market grew. by 3 %.",
        "The market of the U.S. grew by 3 % in the last year of the study of the economy.",
    ),
    ("効果はなかった。", "効果は認められなかったことが全ての実験で確認された。"),
    ("正解率は約3割向上した。", "提案手法により正解率は30%向上したことが確認された。"),
    ("参加者は1万2千人であった。", "参加者は12,000人であり、全員が二十歳以上であった。"),
    ("参加者は120名であった。", "参加者は百二十名であり、全員が二十歳以上であった。"),
    ("処理時間は半分になった。", "処理時間は20秒から10秒に短縮されたことが確認された。"),
    ("The accuracy was 55.1 %.", "交互に置く方法は正解率55.1%で、四つの中で最も高かった。"),
    (
        "Recall correlated with age, r = 0.45, p < 0.001.",
        "Recall correlated with age, r = .45, p < .001, in the group of adults.",
    ),
    (
        "Recall correlated with age, r = .45, p < .001.",
        "Recall correlated with age, r = .45, p < .001, in the group of adults.",
    ),
    ("参加者は2万5000人であった。", "参加者は25,000人であり、全員が二十歳以上であった。"),
    ("参加者は25,000人であった。", "参加者は2万5000人であり、全員が二十歳以上であった。"),
    ("予算は1億2千万円であった。", "予算は1億2千万円であり、前年と同じであったと報告されている。"),
    ("The budget was 120 million yen.", "予算は1億2千万円であり、前年と同じであったと報告されている。"),
    ("正解率は3割であった。", "正解率は30%であったことが全国の調査によって確認された。"),
    ("The accuracy was 30 %.", "正解率は3割であったことが全国の調査によって確認された。"),
    ("The model has 1.5B parameters.", "The model has 1.5 billion parameters and was trained for two weeks on text."),
    ("It was trained on 1M sentences.", "It was trained on one million sentences from the web in all languages."),
    (
        "The trial enrolled twelve hundred patients.",
        "The trial enrolled 1,200 patients in nine hospitals of the northern country.",
    ),
    (
        "The trial enrolled 1 200 patients.",
        "The trial enrolled 1 200 patients in nine hospitals of the northern country.",
    ),
    (
        "The trial enrolled 1,200 patients.",
        "The trial enrolled 1 200 patients in nine hospitals of the northern country.",
    ),
    ("The rate was 3.5 × 10^-4.", "The rate was 3.5 × 10−4 per site and year in all of the species studied here."),
    (
        "Between 5 and 10 patients died.",
        "Between 5–10 patients died in each of the hospitals that took part in the trial.",
    ),
    ("Half of the patients died.", "One in two patients died in each of the hospitals that took part in the trial."),
    (
        "Two in three respondents agreed.",
        "Of all respondents, 2/3 agreed with the statement on the first page of the form.",
    ),
    (
        "The interval was 95% CI 1.2 to 3.4.",
        "The odds ratio was 2.1 (95% CI, 1.2-3.4) in the group that was treated with it.",
    ),
    (
        "Training improves recall.",
        "Training improves recall in adults but does not change precision in any of the groups.",
    ),
    (
        "Sleep had a small effect.",
        "The effect of sleep was small, with an eta squared of .03, and was not significant.",
    ),
    (
        "The treatment reduced pain in adults.",
        "The treatment reduced pain in adults, whereas no effect was seen in children under ten.",
    ),
    (
        "Retrieval improves accuracy.",
        "Without retrieval the accuracy falls to 30 %, and with retrieval it improves to 41 %.",
    ),
    (
        "Accuracy is higher with retrieval than without it.",
        "Accuracy with retrieval is higher in all of the groups that we studied in the lab.",
    ),
    (
        "Fine-tuning is unnecessary for good accuracy.",
        "Good accuracy is reached without fine-tuning in all of the settings that we tried.",
    ),
    (
        "Dogs cannot distinguish red from green.",
        "Dogs were unable to distinguish red from green in any of the sixty trials made.",
    ),
    ("手法は学習なしで精度を改善する。", "提案手法は追加の学習を必要とせずに精度を改善することが確認された。"),
    ("提案手法は精度を改善する。", "提案手法は精度を改善するが、計算時間は短縮されなかったことが確認された。"),
    (
        "The model fails to generalise.",
        "The model did not generalise to the new domain in any of the experiments we ran.",
    ),
    (
        "The drug lowers pain in adults.",
        "The drug lowered pain in adults but had no effect on sleep in any of the groups.",
    ),
    ("The new index is faster.", "The new index is faster, although it does not need more memory than the old one."),
    (
        "Recall improves with age.",
        "Recall improves with age, whereas precision is not affected by it in either of the groups.",
    ),
    (
        "The two groups did not differ in age.",
        "There was no difference in age between the two groups at the beginning of the trial.",
    ),
    (
        "Neither drug changed blood pressure.",
        "Blood pressure was not changed by either of the drugs in the trial of last year.",
    ),
    ("No patient had a relapse.", "None of the patients had a relapse within the first year after the treatment."),
    (
        "Caching halves latency with no loss of accuracy.",
        "Caching halves the latency without loss of accuracy on all of the test sets.",
    ),
    ("Caching halves latency.", "Caching halves the latency without any loss of accuracy on all of the test sets."),
    ("Sleep does not affect recall.", "Recall was unaffected by sleep in both of the experiments that we made in May."),
    (
        "The survey found no link between diet and mood.",
        "Diet and mood were unrelated in the survey of 2,000 adults in the northern country.",
    ),
    (
        "Blood pressure did not change.",
        "Blood pressure remained unchanged in all of the patients who took the new drug.",
    ),
    (
        "The task could not be solved by any model.",
        "None of the models could solve the task, although each of them was trained on it for days.",
    ),
    (
        "Birds sing more in spring.",
        "Birds sing more in spring, and they do not sing at all in the last weeks of autumn.",
    ),
    (
        "The lake was warmer in 2010.",
        "The lake was warmer in 2010, which had not been expected by any of the climate models.",
    ),
    (
        "Entrances decide when high water comes.",
        "Entrances, and not the harbours behind them, decide when high water comes to small harbours.",
    ),
    (
        "The catalyst works at room temperature.",
        "Not only does the catalyst work at room temperature, it can also be used again many times.",
    ),
    (
        "Patients lacking the gene recover slowly.",
        "Patients without the gene recover slowly and need more care in their first weeks at home.",
    ),
    (
        "精度は向上したが、再現率は変わらなかった。",
        "提案手法により精度は向上したが、再現率は変わらなかったことが確認された。",
    ),
    (
        "提案手法は計算時間を短縮する。",
        "提案手法は計算時間を短縮するものの、精度の向上は認められなかったことが確認された。",
    ),
    ("両群に有意差はなかった。", "両群の間に有意差は認められず、年齢による違いも小さいことが確認された。"),
    ("睡眠は記憶に影響しない。", "睡眠は記憶に影響を与えないことが、二つの実験によって確認されたと報告する。"),
    ("サンプル数は少ない。", "サンプル数が少ないことが課題であり、今後の調査によって増やす必要がある。"),
    ("まず、データを収集した。", "データの収集をまず、全国の病院において行い、その後に解析を行ったと報告する。"),
    (
        "Of the votes, 12 % were invalid.",
        "We found that 12 % of all votes in the district were invalid in the last election.",
    ),
    ("Accuracy reached 93.4.", "Our model reaches an accuracy of 93.4 % on ImageNet, and is the best of all models."),
    (
        "Accuracy rises from 10 to 12 %.",
        "The accuracy rises from 10 % to 12 % where the new index is used for the search.",
    ),
    (
        "Accuracy rises from 10 % to 12 %.",
        "The accuracy rises from 10 to 12 % where the new index is used for the search.",
    ),
    (
        "Twelve percent of the patients died.",
        "Of all patients, 12 % died within the first year after the treatment had begun.",
    ),
    (
        "Prices rose by 10 percent.",
        "Prices rose by 10 % in the first year after the law was changed by the government.",
    ),
    ("Accuracy improved by 5 points.", "The accuracy improves by 5 % over the old model on all of the six test sets."),
    (
        "The river is 40 km long.",
        "The river has a length of 40 kilometres and flows through three of the northern towns.",
    ),
    ("Speed rose 3-fold.", "The speed was 3 times as high with the new index as it was with the old index."),
    ("処理速度は3倍になった。", "The processing speed was 3 times as high with the new index as with the old index."),
    (
        "The correlation was 0.62.",
        "We found a strong correlation between height and weight (r = .62, p < .001) in boys.",
    ),
    ("人口は3万5千人である。", "この町の人口は35,000人であり、この十年の間ほとんど変わっていない。"),
    ("The town has 35,000 inhabitants.", "この町の人口は3万5千人であり、この十年の間ほとんど変わっていない。"),
    ("回答者の4割が賛成した。", "回答者の40%が賛成し、残りは反対または無回答であったことが確認された。"),
    (
        "At least 20 patients are needed.",
        "A minimum of 20 patients is needed for the test to have enough power in this trial.",
    ),
    ("More than 90 % agreed.", "Over 90 % of the respondents agreed with the statement on the first page of the form."),
    (
        "The dose never exceeds 5 mg.",
        "The dose was at most 5 mg per day in all of the patients who took part in the trial.",
    ),
    (
        "The reform is likely to reduce poverty.",
        "It is likely that the reform will reduce poverty in the rural regions of the country.",
    ),
    ("The drug is safe.", "The drug is safe, but it is unlikely that it helps patients with the severe form of it."),
    (
        "Smaller firms paid lower wages.",
        "Wages were lower in smaller firms than in larger firms in all of the years studied.",
    ),
    (
        "Larger firms paid higher wages.",
        "Wages were lower in smaller firms than in larger firms in all of the years studied.",
    ),
    (
        "The fast variant needs a large cache.",
        "The fast variant needs a large cache, while the slow variant runs with a small cache.",
    ),
    (
        "Mortality fell as survival improved.",
        "Survival improved, and mortality fell in all of the hospitals that took part in the trial.",
    ),
    ("The economy shrank by 3 %.", "GDP contracted by 3 % in the first quarter, as the economy shrank in all regions."),
    (
        "Most patients survived the operation.",
        "The majority of the patients survived the operation and left the hospital within days.",
    ),
    ("患者の70%が生存した。", "手術を受けた患者の70%が生存し、平均して十日後に退院したことが確認された。"),
    # Hardly anything is said in the same words, so that every clause is looked at.
    (
        "Sleep never alters how well people remember words.",
        "The people read words at home, whereas memory was not affected by sleep in any of the groups.",
    ),
]


#: What it does not say.
FALSE = [
    ("Accuracy improved to 5.2.", "Our model improves accuracy over BERT-large by 5.2 points."),
    (
        "The treatment increases mortality.",
        "The treatment reduces mortality in all groups of patients with the disease.",
    ),
    ("Mortality rose by 12 %.", "Mortality dropped by 12 % after the introduction of the new treatment."),
    ("The treatment is safe for children.", "The treatment is unsafe for children below the age of five in our study."),
    ("Coffee causes cancer.", "We found no evidence that coffee causes cancer in the cohort of nurses."),
    (
        "Coffee lacks any association with cancer.",
        "We found that coffee is associated with cancer in the cohort of nurses.",
    ),
    ("All patients survived.", "Few patients survived the first month after the operation in our hospital."),
    ("Most patients survived.", "Few patients survived the first month after the operation in our hospital."),
    (
        "The first method is faster than the second method.",
        "The first method is slower than the second method on all inputs that we tried.",
    ),
    (
        "The new index is cheaper than the old index.",
        "The new index is more expensive than the old index in all of the settings.",
    ),
    ("The sample was large.", "The sample was small because few patients agreed to take part in the study."),
    ("Sales rose 10-fold.", "Sales rose by 10 % in the first year after the law was changed by the government."),
    ("精度は12%低下した。", "精度は12%向上したことが全ての実験で確認された。"),
    ("精度は向上しなかった。", "精度は12%向上したことが全ての実験で確認された。"),
    ("効果は認められた。", "効果は認められなかったことが全ての実験で確認された。"),
    ("患者の30%が死亡した。", "患者の30%が生存したことが追跡調査によって確認された。"),
    ("In the trial 12 patients died.", "In the trial 12 % of the patients died within the first year."),
    ("Sales rose tenfold.", "Sales rose by 10 % in the first year after the law was changed."),
    ("売上は10倍に増加した。", "売上は10%増加したことが全国の調査によって確認された。"),
    ("参加者のうち30人が正解した。", "参加者のうち30%が正解したことが調査によって確認された。"),
    ("The error fell to one third.", "The error fell by 3 % when the third model was used instead."),
    ("Recall rose with age by 45 points.", "Recall rose with age, r = .45, p < .001, in the group of adults."),
    ("参加者は5000人であった。", "参加者は2万5000人であり、全員が二十歳以上であった。"),
    ("予算は2千万円であった。", "予算は1億2千万円であり、前年と同じであったと報告されている。"),
    ("The drug is likely to help.", "The drug is unlikely to help patients with the severe form of the disease."),
    ("The genes are related.", "The genes are unrelated in all of the species that we studied in the lab."),
    ("The results are reliable.", "The results are unreliable in all of the species that we studied in the lab."),
    ("The difference was significant.", "The difference was insignificant in all of the species that we studied."),
    ("The difference was significant.", "The difference was non-significant in all of the species that we studied."),
    ("The test was successful.", "The test was unsuccessful in all of the species that we studied in the lab."),
    ("Patients were able to walk.", "Patients were unable to walk after the operation in all of the hospitals."),
    ("The assumption is necessary.", "The assumption is unnecessary in all of the cases that we studied here."),
    (
        "The treatment has effects on sleep.",
        "The treatment lacks effects on sleep in all of the groups that we studied.",
    ),
    ("Recall was above 0.9 in May.", "Recall was below 0.9 in May in all of the groups that we studied here."),
    ("At least 20 patients are needed.", "At most 20 patients are needed for the test to have enough power here."),
    (
        "The drug lowers blood pressure by 5 mmHg.",
        "The drug raises blood pressure by 5 mmHg in healthy adults at rest.",
    ),
    ("Method A takes longer than method B.", "Method A takes shorter than method B in all of the settings we tried."),
    ("Cells gained 3 % weight.", "Cells lost 3 % weight in the first week after the treatment had begun."),
    ("GDP expanded by 3 %.", "GDP contracted by 3 % in the first quarter after the lockdown had begun."),
    ("The prevalence was 3 %.", "The prevalence was 0.3 % in the first survey and it stayed so for all of the years."),
    ("The risk was 1.2 %.", "The relative risk was 1.2 in the group of smokers, in 5 % of whom it was fatal."),
    ("Mortality fell by 50 %.", "Mortality fell to 50 % of its old value in 1990 and to 25 % of it in 2000."),
    ("The cost was 5 million dollars.", "The cost was 5 billion dollars in the first year after the law was changed."),
    ("The cost was 5 thousand yen.", "費用は5万円であり、前年と同じであったと報告されている。"),
    ("Sales rose 3 %.", "Sales rose 3x within a year of the change of the law in all of the regions."),
    ("Sales rose 3 %.", "Sales rose 3x within a year of the change of the law in 20 % of the regions."),
    ("The dose was 10 mg.", "The dose was 10 µg per day in all of the patients who took part in the trial."),
    ("The distance is 5 miles.", "The distance is 5 km between the two houses in the village of the north."),
    ("It was 20 degrees warmer.", "It was 20 % warmer in the second year of the study in the north of the land."),
    (
        "In the hills 31 rivers were measured.",
        "In the hills the error of the measured rivers rises to 31 % because the maps are old.",
    ),
    (
        "Training does not improve recall.",
        "Training improves recall in adults but does not change precision in any of the groups.",
    ),
    (
        "Training changes precision.",
        "Training improves recall in adults but does not change precision in any of the groups.",
    ),
    (
        "Training lowers recall.",
        "Training improves recall in adults but does not change precision in any of the groups.",
    ),
    ("Sleep had no effect.", "Sleep had a small effect on memory, with an eta squared of .03, in all of the groups."),
    (
        "The treatment did not reduce pain in adults.",
        "The treatment reduced pain in adults, whereas no effect was seen in children under ten.",
    ),
    (
        "The two groups differed in age.",
        "There was no difference in age between the two groups at the beginning of the trial.",
    ),
    ("The groups differ in age.", "The groups did not differ in age, but women were taller than men in both of them."),
    (
        "Neither drug changed blood pressure.",
        "Both of the drugs changed blood pressure in the trial of the last year in our hospital.",
    ),
    ("Blood pressure changed.", "Blood pressure remained unchanged, because the drug is hardly taken up by the blood."),
    (
        "Dogs can distinguish red from green.",
        "Dogs were unable to distinguish red from green in any of the sixty trials made.",
    ),
    (
        "Coffee is linked to cancer.",
        "No link between coffee and cancer was found, although smoking is linked to both of them.",
    ),
    ("Sleep affects recall.", "Recall was unaffected by sleep in both of the experiments that we made in May."),
    (
        "The method needs labelled data.",
        "The method needs no labelled data and is faster than all of the earlier methods.",
    ),
    (
        "The accuracy is reached with fine-tuning.",
        "The accuracy is reached without fine-tuning in all of the settings that we tried.",
    ),
    (
        "Rates of cancer, stroke and death increased.",
        "There was no increase in the rates of cancer, stroke, and death in the treated group.",
    ),
    (
        "No patient had a relapse.",
        "Some of the patients had a relapse, and no new treatment was tried in the first year.",
    ),
    ("精度は向上しなかった。", "提案手法は精度を向上させたが、計算時間は短縮されなかったことが確認された。"),
    ("計算時間は短縮された。", "提案手法は精度を向上させたが、計算時間は短縮されなかったことが確認された。"),
    ("両群に有意差があった。", "両群の間に有意差は認められず、年齢による違いも小さいことが確認された。"),
    ("この治療は有効である。", "この治療は無効であることが、二つの独立した臨床試験によって確認された。"),
    ("結果は安定である。", "得られた結果は不安定であり、条件をわずかに変えるだけで大きく異なった。"),
    (
        "In the district 12 votes were invalid.",
        "We found that 12 % of all votes in the district were invalid in the last election.",
    ),
    ("Twelve patients died.", "Of all patients, 12 % died within the first year after the treatment had begun."),
    (
        "The width of 8 rivers was reduced.",
        "The dams reduced the width of the rivers by 8 % within the first ten years or so.",
    ),
    ("The effort rises 31-fold.", "The effort rises to 31 % of all work in the second half of the project."),
    (
        "The maps have an error of 12 centimetres.",
        "The maps have an error of 12 % in the hills and less in the plains of the north.",
    ),
    ("町の予算は5億円である。", "町の予算は1億5千万円であり、前年と比べてほとんど変わっていないと報告された。"),
    ("回答者の4%が賛成した。", "回答者の4割が賛成し、残りは反対または無回答であったことが確認された。"),
    ("人口は5千人である。", "この町の人口は3万5千人であり、この十年の間ほとんど変わっていない。"),
    (
        "The river is 40 miles long.",
        "The river has a length of 40 kilometres and flows through three of the northern towns.",
    ),
    ("The wall is 6 feet high.", "The wall is 6 metres high and was built in the last years of the empire."),
    ("Speed rose by 3 %.", "The speed was 3 times as high with the new index as it was with the old index."),
    (
        "The gap was at most 4 years.",
        "The gap was at least 4 years in all of the families that took part in the survey.",
    ),
    (
        "Fewer than 100 people came.",
        "More than 100 people came to the first meeting of the group in the old town hall.",
    ),
    ("参加者は20歳以下であった。", "参加者は全員が20歳以上であり、実験の前に書面で同意を得たと報告されている。"),
    (
        "The reform is unlikely to reduce poverty.",
        "It is likely that the reform will reduce poverty in the rural regions of the country.",
    ),
    (
        "The outcome was unrelated to age.",
        "The outcome was closely related to age in all of the groups that were studied.",
    ),
    (
        "The operation was unsuccessful.",
        "The operation was successful in all of the patients who took part in the trial.",
    ),
    ("The sample was small.", "The sample was large enough to test for differences between the regions of the land."),
    (
        "The new engine is slower than the old engine.",
        "The new engine is faster than the old engine at all of the speeds that we tried.",
    ),
    (
        "Correlation with age was weak.",
        "The correlation with age was strong in all of the groups that were studied here.",
    ),
    ("The hypothesis was accepted.", "The hypothesis was rejected on the basis of the data of the first experiment."),
    (
        "A third of the samples were contaminated.",
        "In all, 50 % of the samples were contaminated with bacteria from the soil of the field.",
    ),
    ("The relation was negative.", "The relation was positive in all of the groups that were studied in the trial."),
    ("処理は遅くなった。", "提案手法によって処理は速くなったことが、全ての実験において確認された。"),
    ("誤差は大きい。", "この方法の誤差は小さいことが、全ての条件における実験によって確認された。"),
    (
        "Recall was below the baseline.",
        "Recall was above the baseline in May in all of the groups that we studied here.",
    ),
    ("The forest expanded.", "The forest contracted in the warmest years of the last century in the whole north."),
]


#: What the quote says, in a way that is not understood.
TRUE_BUT_DROPPED = [
    (
        "Fewer than half of the users finished.",
        "Only 41 % of the users finished the task within the time that was given to them.",
    ),
    (
        "Latency falls from 1.2 s to 300 ms.",
        "Latency is reduced from 1200 ms to 300 ms when the cache is turned on for all users.",
    ),
    (
        "The method needs no labelled data.",
        "The method is fully unsupervised and learns from raw text and images alone in all cases.",
    ),
    ("The results are not reliable.", "The results are unreliable in all of the species that we studied in the lab."),
]


#: What it does not say, and what nobody tells without reading.
FALSE_BUT_KEPT = [
    ("Women were better than men.", "Men were better than women at the task in both of the experiments of the study."),
    (
        "A outperforms B by 3 points.",
        "B outperforms A by 3 points on all of the test sets that we tried in this study.",
    ),
    (
        "Smoking protects against disease.",
        "Smoking is a risk factor for the disease in all of the groups in the study.",
    ),
    (
        "Sales rose by 10 points in 12 months.",
        "Sales rose by 12 points in 10 months after the law was changed by the government.",
    ),
    (
        "The error is 12 % in the hills and 31 % in the plains.",
        "The error is 31 % in the hills and 12 % in the plains of the northern country.",
    ),
    ("The alternating order was the worst, with 55.1 %.", "交互に置く方法は55.1%で、四つの中で最も高かった。"),
    (
        "The trial enrolled 200 patients.",
        "The trial enrolled 1 200 patients in nine hospitals of the northern country.",
    ),
    ("The rate was 4 per site.", "The rate was 3.5 × 10−4 per site and year in all of the species studied here."),
    ("Yield fell by 5 %.", "Yield changed by −5 % to +8 % across all of the fields that were studied here."),
    ("The change was 5 %.", "The change was −5 % across all of the fields that were studied here in the north."),
    (
        "The drug was given to 20 mice in 1995.",
        "The drug was given to 1995 mice in 20 groups in the laboratory of the school.",
    ),
    ("It took 3 hours.", "It took 3 of the 20 boats some hours to cross the river in the north of the land."),
]
